// SPDX-License-Identifier: MIT
// The small language model of the decode and train benchmarks, and how much work a token is to it.
#pragma once

#include "bench.hpp"
#include "ttt/inner/linear.hpp"
#include "ttt/inner/mlp.hpp"
#include "ttt/model.hpp"

namespace ttt::bench {

/// About three million parameters over bytes.
inline Model small_model(LayerType type) {
  Rng rng(1);
  return Model({.vocab_size = 256, .hidden_size = 256, .num_layers = 4, .num_heads = 4, .layer_type = type}, rng);
}

/// All layers' TTT and SwiGLU weights, and the head.
inline double dense_weights(const ModelConfig& config) {
  const double swiglu = 3 * real(config.hidden_size * *config.intermediate_size);
  return real(config.num_layers) * (dense_weights(config.layer()) + swiglu) +
         real(config.hidden_size * config.vocab_size);
}

/// The sum over all heads of all layers of what `of_head` gives for an inner model and a layer's configuration.
template <class F>
double over_heads(const ModelConfig& config, const F& of_head) {
  const double heads = real(config.num_layers * config.num_heads);
  return heads * (config.layer_type == LayerType::linear ? of_head.template operator()<LinearModel<float>>()
                                                         : of_head.template operator()<MlpModel<float>>());
}

inline double flop_per_token(const ModelConfig& config) {
  const LayerConfig layer = config.layer();
  return 2 * dense_weights(config) +
         over_heads(config, [&]<class M>() { return inner_flop<M>(layer.head_dim(), layer.mini_batch_size); });
}

inline double bytes_per_step(const ModelConfig& config, Index batch) {
  const Index D = config.layer().head_dim();
  return sizeof(float) *
         (dense_weights(config) + real(batch) * over_heads(config, [&]<class M>() { return inner_weights<M>(D); }));
}

}  // namespace ttt::bench
