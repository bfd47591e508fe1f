// SPDX-License-Identifier: MIT
// What the golden files of single layers and of blocks have in common: which inner model, and the state of its streams.
#pragma once

#include "reference/golden/file.hpp"
#include "ttt/layer.hpp"

namespace ttt::support {

/// f.operator()<M>() with the inner model of the file and the scalar type it is checked in.
template <class F>
void with_inner_model(const GoldenFile& file, const F& f) {
  const bool linear = file.config().sequence_type == SequenceType::linear;
  if (file.precision() == Precision::f32) {
    linear ? f.template operator()<inner::Linear<float>>() : f.template operator()<inner::Mlp<float>>();
  } else {
    linear ? f.template operator()<inner::Linear<double>>() : f.template operator()<inner::Mlp<double>>();
  }
}

/// Compares weights, open mini-batches and convolution tails with the tensors f64.PREFIX...
template <InnerModel M>
void compare_state(GoldenFile& file, const std::string& prefix, const std::vector<const TttStream<M>*>& streams) {
  using T = typename M::Scalar;
  const Index batch = static_cast<Index>(streams.size()), H = file.config().num_heads;
  const Index b = file.config().mini_batch_size;
  for (std::size_t m = 0; m < M::depth; ++m) {
    const auto [in, out] = M::shapes(file.config().hidden_size / H)[m];
    Tensor<T, 4> W({batch, H, in, out}), bias({batch, H, 1, out});
    Tensor<double, 4> W_grad({batch, H, in, out}), bias_grad({batch, H, 1, out});
    for (Index i = 0; i < batch; ++i) {
      const TttStream<M>& stream = *streams[static_cast<std::size_t>(i)];
      const auto& map = stream.maps[m];
      copy<T, 3>(map.W, W[i]);
      copy<T, 3>(map.b, bias[i]);
      // We keep the open mini-batch as rows; the reference keeps sum_s X_s^T G_s and sum_s G_s.
      for (Index h = 0; h < H; ++h) {
        for (Index s = 0; s < stream.position % b; ++s) {
          for (Index c = 0; c < out; ++c) {
            const double G = static_cast<double>(map.G[h][s][c]);
            for (Index r = 0; r < in; ++r) W_grad[i][h][r][c] += static_cast<double>(map.X[h][s][r]) * G;
            bias_grad[i][h][0][c] += G;
          }
        }
      }
    }
    const std::string n = std::to_string(m + 1);
    file.compare_if_given(prefix + "W" + n + "_states", Quantity::value, W);
    file.compare_if_given(prefix + "b" + n + "_states", Quantity::value, bias);
    file.compare_if_given(prefix + "W" + n + "_grad", Quantity::value, W_grad);
    file.compare_if_given(prefix + "b" + n + "_grad", Quantity::value, bias_grad);
  }
  if (!file.config().share_qk) return;
  std::vector<const Tensor<T, 2>*> tails;
  for (const TttStream<M>* stream : streams) tails.push_back(&stream->conv_tail);
  // Queries and keys are convolved from the same inputs.
  file.compare_if_given(prefix + "ttt_conv_q", tails);
  file.compare_if_given(prefix + "ttt_conv_k", tails);
}

}  // namespace ttt::support
