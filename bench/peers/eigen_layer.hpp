// SPDX-License-Identifier: MIT
// A whole TTT-Linear layer in Eigen, compiled for the machine that builds it, as what ours is compared with. It lives
// in a library of its own that shows these three functions and nothing else: instructions that other machines lack stay
// inside.
#pragma once

namespace ttt::bench {

/// Weights as the layer's parameters hold them. C = hidden_size, H = num_heads, D = C / H, b = mini_batch_size.
struct EigenLayerWeights {
  long hidden_size, num_heads, mini_batch_size;
  const float *q, *k, *v, *o;                        // [C, C]
  const float *rate_weight, *rate_bias;              // [H, C], [H]
  float rate_factor;                                 // base_lr / D
  const float* scale;                                // [b]
  const float* rotary;                               // [b, 2 D], see rope.hpp
  const float *inner_norm_weight, *inner_norm_bias;  // [H, D]
  const float *post_norm_weight, *post_norm_bias;    // [C]
  const float *W1, *b1;                              // [H, D, D], [H, D]
};

class EigenLayer;

}  // namespace ttt::bench

extern "C" {
/// A layer for sequences of `time` tokens, a multiple of the mini-batch. Copies the weights.
ttt::bench::EigenLayer* eigen_layer_new(const ttt::bench::EigenLayerWeights& weights, long time);
/// Reads x from a fresh state. [time, C]
void eigen_layer_forward(ttt::bench::EigenLayer* layer, const float* x, float* y);
void eigen_layer_delete(ttt::bench::EigenLayer* layer);
}
