// SPDX-License-Identifier: MIT
// Clocks, and what many measurements of one thing say.
#pragma once

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace ttt::bench {

inline double seconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Stands still while another program has the core: for what runs on one thread.
inline double thread_seconds() { return seconds(CLOCK_THREAD_CPUTIME_ID); }
/// For what runs on several threads.
inline double wall_seconds() { return seconds(CLOCK_MONOTONIC); }

/// The value below which the share q of all measurements lies, in a straight line between neighbours.
inline double quantile(std::vector<double> all, double q) {
  std::sort(all.begin(), all.end());
  const double place = q * static_cast<double>(all.size() - 1), below = std::floor(place);
  const auto i = static_cast<std::size_t>(below);
  return i + 1 == all.size() ? all[i] : all[i] + (place - below) * (all[i + 1] - all[i]);
}

/// Median and quartiles.
struct Spread {
  double low, value, high;

  explicit Spread(const std::vector<double>& all)
      : Spread(quantile(all, 0.25), quantile(all, 0.5), quantile(all, 0.75)) {}
  Spread(double l, double v, double h) : low(l), value(v), high(h) {}
};

}  // namespace ttt::bench
