// SPDX-License-Identifier: MIT
// The table of summary_bench: what a row is, and the ways to measure one.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "limits.hpp"
#include "timing.hpp"

namespace ttt::bench {

struct Row {
  std::string name;
  const char* unit;
  std::function<Spread()> measure;
};

// Each adds its rows, where this machine can run them.
void add_limit_rows(std::vector<Row>& rows);
void add_inner_rows(std::vector<Row>& rows);
void add_projection_rows(std::vector<Row>& rows);
void add_layer_rows(std::vector<Row>& rows);
void add_attention_rows(std::vector<Row>& rows);
void add_thread_rows(std::vector<Row>& rows);
void add_eigen_rows(std::vector<Row>& rows);
void add_decode_rows(std::vector<Row>& rows);
void add_training_rows(std::vector<Row>& rows);

/// Calls `measure_once` for `seconds`, but 3 times at least.
template <class F>
void repeat(double seconds, const F& measure_once) {
  const double start = wall_seconds();
  for (int i = 0; i < 3 || wall_seconds() - start < seconds; ++i) measure_once();
}

/// Seconds that one call takes.
template <class Clock, class F>
double time_of(const Clock& now, const F& call) {
  const double start = now();
  call();
  return now() - start;
}

/// What rows may take together beyond their own time, in search of undisturbed values.
inline double spare_seconds = 6;

/// Repeats a measurement for `seconds`, or up to twice as long for 3 undisturbed values, while `spare_seconds` last.
/// measure_once(add) calls add(value, undisturbed). The spread is of undisturbed values, or of all where those are
/// fewer than 3.
template <class F>
Spread spread_of_undisturbed(double seconds, const F& measure_once) {
  std::vector<double> all, counted;
  const auto add = [&](double value, bool undisturbed) {
    all.push_back(value);
    if (undisturbed) counted.push_back(value);
  };
  repeat(seconds, [&] { measure_once(add); });
  if (counted.size() < 3 && spare_seconds > 0) {
    const double start = wall_seconds();
    repeat(seconds, [&] { measure_once(add); });
    spare_seconds -= wall_seconds() - start;
  }
  return Spread(counted.size() >= 3 ? counted : all);
}

/// FLOP per second of one thread as a share of the peak at that moment. One call does `flop`. The peak loop itself must
/// not be disturbed.
template <class F>
Spread share_of_peak(Isa isa, double flop, const F& call) {
  // Long beside the clock's own time. The first call warms up.
  const auto calls = static_cast<int>(std::ceil(0.005 / std::max(1e-9, time_of(thread_seconds, call))));
  Peak before = peak_now(isa);
  return spread_of_undisturbed(1, [&](const auto& add) {
    const double seconds = time_of(thread_seconds, [&] {
      for (int i = 0; i < calls; ++i) call();
    });
    const Peak after = peak_now(isa);
    add(calls * flop / seconds / std::max(before.flop, after.flop), before.undisturbed && after.undisturbed);
    before = after;
  });
}

/// Seconds of `a` over seconds of `b`, which take turns.
template <class Clock, class A, class B>
Spread ratio(const Clock& now, double seconds, const A& a, const B& b) {
  a(), b();  // warm up
  std::vector<double> all;
  repeat(seconds, [&] {
    const double seconds_of_a = time_of(now, a);
    all.push_back(seconds_of_a / time_of(now, b));
  });
  return Spread(all);
}

/// What is the same in every run.
inline Spread exactly(double value) { return Spread(value, value, value); }

}  // namespace ttt::bench
