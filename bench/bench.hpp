// SPDX-License-Identifier: MIT
// What the benchmarks share: counters, and how much useful work there is to count.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "ttt/config.hpp"
#include "ttt/inner/concept.hpp"
#include "ttt/parallel.hpp"

namespace ttt::bench {

/// Adds "what" per second to the report, given how much of it one iteration does.
inline void count(benchmark::State& state, const char* what, double per_iteration) {
  state.counters[what] = benchmark::Counter(per_iteration, benchmark::Counter::kIsIterationInvariantRate);
}

inline double real(Index n) { return static_cast<double>(n); }

/// Products of one head for one token, each counted once, of width in -> out and with mini-batches of b:
///   apply, apply_updated, commit    3 * 2 in out
///   gradient of the map's input     2 in out, in every map but the first
///   dual form                       2 (in + out) (b + 1) / 2: scores and update, of which row t needs t of b columns
/// The adjoint of a product is two products of its size; what `backward` computes again is not counted.
template <InnerModel M>
double inner_flop(Index head_dim, Index b) {
  double flop = 0;
  for (const AffineShape& map : M::shapes(head_dim)) {
    flop += (flop == 0 ? 6 : 8) * real(map.in * map.out) + real(map.in + map.out) * real(b + 1);
  }
  return flop;
}

/// Inner weights of one head: what a token reads of a stream's state.
template <InnerModel M>
double inner_weights(Index head_dim) {
  double weights = 0;
  for (const AffineShape& map : M::shapes(head_dim)) weights += real(map.in * map.out);
  return weights;
}

/// Weights of q, k, v, output and rate projections; each takes 2 FLOP for every token.
inline double dense_weights(const LayerConfig& config) {
  return 4 * real(config.hidden_size * config.hidden_size) + real(config.hidden_size * config.num_heads);
}

template <InnerModel M>
double flop_per_token(const LayerConfig& config) {
  return 2 * dense_weights(config) + real(config.num_heads) * inner_flop<M>(config.head_dim(), config.mini_batch_size);
}

/// Bytes that one token of each of `batch` streams must read: the dense weights once, inner weights for every stream.
template <InnerModel M>
double bytes_per_step(const LayerConfig& config, Index batch) {
  const double inner = real(config.num_heads) * inner_weights<M>(config.head_dim());
  return sizeof(typename M::Scalar) * (dense_weights(config) + real(batch) * inner);
}

/// For what may run on several threads: their time is wall time. One thread has a clock of its own, which stands still
/// while another program has its core.
inline void set_clock(benchmark::internal::Benchmark* b) {
  if (threads() > 1) b->UseRealTime();
}

/// What the report says of the run besides the machine.
inline const bool context_is_set = [] {
  benchmark::AddCustomContext("ttt kernels", name(active_isa()));
  benchmark::AddCustomContext("ttt threads", std::to_string(threads()));
  return true;
}();

}  // namespace ttt::bench
