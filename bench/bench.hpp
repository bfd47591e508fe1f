// SPDX-License-Identifier: MIT
// What the programs with Google Benchmark share: the loop that is timed, and the counters of the report.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "limits.hpp"
#include "timing.hpp"
#include "ttt/base/parallel.hpp"
#include "work.hpp"

namespace ttt::bench {

/// For what may run on several threads: their time is wall time. One thread has a clock of its own, which stands still
/// while another program has its core.
inline void set_clock(benchmark::internal::Benchmark* b) {
  if (threads() > 1) b->UseRealTime();
}

/// What the iterations of a benchmark did, as counters: each is given how much of it one iteration does.
class Meter {
 public:
  Meter(benchmark::State& state, Index threads, double seconds)
      : state_(state), threads_(threads), seconds_(seconds / real(static_cast<Index>(state.iterations()))) {}

  void tokens(double n) const { count("tokens", n); }

  /// Arithmetic, also as a share of the peak of all cores in use.
  void flop(double n) const {
    count("FLOP", n);
    if (peak()) state_.counters["% of peak"] = 100 * n / seconds_ / (*peak() * real(threads_));
  }

  /// Bytes that must be read or written at least, also as a share of what a plain read of memory gives in that time:
  /// more than 100 % are from caches.
  void bytes(double n) const {
    count("bytes", n);
    state_.counters["% of read"] = 100 * n / seconds_ / read_bandwidth(threads_);
  }

 private:
  void count(const char* what, double n) const {
    state_.counters[what] = benchmark::Counter(n, benchmark::Counter::kIsIterationInvariantRate);
  }

  benchmark::State& state_;
  Index threads_;
  double seconds_;  // of one iteration
};

/// Runs all iterations, on this thread or on as many as given.
template <class Body>
Meter measure(benchmark::State& state, Index threads, const Body& body) {
  const auto now = threads > 1 ? wall_seconds : thread_seconds;
  const double start = now();
  for (auto _ : state) {
    body();
    benchmark::ClobberMemory();
  }
  return Meter(state, threads, now() - start);
}

/// What the report says of the run besides the machine.
inline const bool context_is_set = [] {
  benchmark::AddCustomContext("ttt kernels", name(active_isa()));
  benchmark::AddCustomContext("ttt threads", std::to_string(threads()));
  benchmark::AddCustomContext("peak of one core, GFLOP/s",
                              peak() ? std::to_string(*peak() / 1e9) : "not measurable now");
  return true;
}();

}  // namespace ttt::bench
