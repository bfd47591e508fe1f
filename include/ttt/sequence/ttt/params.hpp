// SPDX-License-Identifier: MIT
// Everything that the outer loop trains in one TTT layer, under the names of the official checkpoints.
#pragma once

#include "ttt/inner/concept.hpp"
#include "ttt/ops/conv.hpp"
#include "ttt/ops/parameters.hpp"
#include "ttt/sequence/ttt/config.hpp"

namespace ttt {

/// Parameters of a TTT layer; gradients and optimizer moments have this type too. C = hidden_size, H = heads, D = C /
/// H, b = mini_batch_size. Parts that a configuration does not have are empty, and `visit` passes over them.
template <InnerModel M>
struct TttParams {
  using T = typename M::Scalar;

  Dense<T> q_proj, k_proj, v_proj, o_proj, g_proj;  // [C, C]; k_proj: not share_qk; g_proj: use_gate
  ConvParams<T> conv_q, conv_k;                     // share_qk
  Tensor<T, 3> learnable_ttt_lr_weight;             // [H, 1, C]
  Tensor<T, 2> learnable_ttt_lr_bias;               // [H, 1]
  Tensor<T, 1> learnable_token_idx;                 // [b]
  Tensor<T, 2> ttt_norm_weight, ttt_norm_bias;      // [H, D]
  Tensor<T, 1> post_norm_weight, post_norm_bias;    // [C]
  inner::Weights<M> w0;                             // W1 [H, in, out], b1 [H, 1, out], ...

  /// Throws ConfigError.
  static TttParams zeros(const TttConfig& config) {
    validate(config);
    const Index C = config.hidden_size, H = config.num_heads, D = config.head_dim(), k = config.conv_kernel;
    TttParams p;
    p.q_proj = Dense<T>({C, C});
    p.v_proj = Dense<T>({C, C});
    p.o_proj = Dense<T>({C, C});
    if (config.share_qk) {
      p.conv_q = {Tensor<T, 3>({C, 1, k}), Tensor<T, 1>({C})};
      p.conv_k = {Tensor<T, 3>({C, 1, k}), Tensor<T, 1>({C})};
    } else {
      p.k_proj = Dense<T>({C, C});
    }
    if (config.use_gate) p.g_proj = Dense<T>({C, C});
    if (config.parts.learned_rate) {
      p.learnable_ttt_lr_weight = Tensor<T, 3>({H, 1, C});
      p.learnable_ttt_lr_bias = Tensor<T, 2>({H, 1});
    }
    if (config.parts.token_scale) p.learnable_token_idx = Tensor<T, 1>({config.mini_batch_size});
    if (config.parts.inner_norm) {
      p.ttt_norm_weight = Tensor<T, 2>({H, D});
      p.ttt_norm_bias = Tensor<T, 2>({H, D});
    }
    p.post_norm_weight = Tensor<T, 1>({C});
    p.post_norm_bias = Tensor<T, 1>({C});
    if (config.parts.learned_w0) p.w0 = inner::Weights<M>::zeros(H, D);
    return p;
  }

  /// Fresh values, as the official implementation draws them; see inner/README.md.
  static TttParams random(const TttConfig& config, double initializer_range, Rng& rng) {
    TttParams p = zeros(config);
    for (Dense<T>* dense : {&p.q_proj, &p.k_proj, &p.v_proj, &p.o_proj, &p.g_proj}) {
      fill_normal(*dense, initializer_range, rng);
    }
    for (ConvParams<T>* conv : {&p.conv_q, &p.conv_k}) fill_uniform_taps(*conv, rng);
    fill_normal<T>(values(p.learnable_ttt_lr_weight), 0.02, rng);
    for (inner::Affine<T>& map : p.w0.maps) fill_normal<T>(values(map.W), 0.02, rng);
    fill(values(p.ttt_norm_weight), T(1));
    fill(values(p.post_norm_weight), T(1));
    return p;
  }

  /// f(name, tensor...) for every tensor, over one, two or more parameter structs at a time.
  /// The first decides which tensors there are.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    const auto present = [&](const auto& name, auto& first, auto&... rest) {
      if (!first.empty()) f(name, first, rest...);
    };
    present("q_proj.weight", s.q_proj...);
    present("k_proj.weight", s.k_proj...);
    present("v_proj.weight", s.v_proj...);
    present("o_proj.weight", s.o_proj...);
    present("g_proj.weight", s.g_proj...);
    present("conv_q.weight", s.conv_q.weight...);
    present("conv_q.bias", s.conv_q.bias...);
    present("conv_k.weight", s.conv_k.weight...);
    present("conv_k.bias", s.conv_k.bias...);
    present("learnable_ttt_lr_weight", s.learnable_ttt_lr_weight...);
    present("learnable_ttt_lr_bias", s.learnable_ttt_lr_bias...);
    present("learnable_token_idx", s.learnable_token_idx...);
    present("ttt_norm_weight", s.ttt_norm_weight...);
    present("ttt_norm_bias", s.ttt_norm_bias...);
    present("post_norm.weight", s.post_norm_weight...);
    present("post_norm.bias", s.post_norm_bias...);
    inner::Weights<M>::visit(present, s.w0...);
  }
};

}  // namespace ttt
