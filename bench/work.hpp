// SPDX-License-Identifier: MIT
// How much useful work there is in a layer or a model: arithmetic, counted once, and bytes that must be read.
#pragma once

#include "ttt/model/config.hpp"

namespace ttt::bench {

inline double real(Index n) { return static_cast<double>(n); }

/// Products of one head for one token, each counted once, of width in -> out and with mini-batches of b:
///   apply, apply_updated, commit    3 * 2 in out
///   gradient of the map's input     2 in out, in every map but the first
///   dual form                       2 (in + out) (b + 1) / 2: scores and update, of which row t needs t of b columns
/// The adjoint of a product is two products of its size; what `backward` computes again is not counted.
template <InnerModel M>
double inner_flop(Index head_dim, Index b) {
  double flop = 0;
  for (const inner::AffineShape& map : M::shapes(head_dim)) {
    flop += (flop == 0 ? 6 : 8) * real(map.in * map.out) + real(map.in + map.out) * real(b + 1);
  }
  return flop;
}

/// Inner weights of one head: what a token reads of a stream's state.
template <InnerModel M>
double inner_weights(Index head_dim) {
  double weights = 0;
  for (const inner::AffineShape& map : M::shapes(head_dim)) weights += real(map.in * map.out);
  return weights;
}

/// Weights of q, k, v, output and rate projections; each takes 2 FLOP for every token.
inline double dense_weights(const TttConfig& config) {
  return 4 * real(config.hidden_size * config.hidden_size) + real(config.hidden_size * config.num_heads);
}

template <InnerModel M>
double flop_per_token(const TttConfig& config) {
  return 2 * dense_weights(config) + real(config.num_heads) * inner_flop<M>(config.head_dim(), config.mini_batch_size);
}

/// Bytes that one token of each of `batch` streams must read: the dense weights once, inner weights for every stream.
template <InnerModel M>
double bytes_per_step(const TttConfig& config, Index batch) {
  const double inner = real(config.num_heads) * inner_weights<M>(config.head_dim());
  return sizeof(typename M::Scalar) * (dense_weights(config) + real(batch) * inner);
}

/// All layers' TTT and SwiGLU weights, and the head.
inline double dense_weights(const ModelConfig& config) {
  const double swiglu = 3 * real(config.hidden_size * *config.intermediate_size);
  return real(config.num_layers) * (dense_weights(config.layer()) + swiglu) +
         real(config.hidden_size * config.vocab_size);
}

/// The sum over all heads of all layers of what `of_head` gives for an inner model.
template <class F>
double over_heads(const ModelConfig& config, const F& of_head) {
  const double heads = real(config.num_layers * config.num_heads);
  return heads * (config.sequence_type == SequenceType::linear ? of_head.template operator()<inner::Linear<float>>()
                                                               : of_head.template operator()<inner::Mlp<float>>());
}

inline double flop_per_token(const ModelConfig& config) {
  const TttConfig layer = config.layer();
  return 2 * dense_weights(config) +
         over_heads(config, [&]<class M>() { return inner_flop<M>(layer.head_dim(), layer.mini_batch_size); });
}

inline double bytes_per_step(const ModelConfig& config, Index batch) {
  const Index D = config.layer().head_dim();
  return sizeof(float) *
         (dense_weights(config) + real(batch) * over_heads(config, [&]<class M>() { return inner_weights<M>(D); }));
}

}  // namespace ttt::bench
