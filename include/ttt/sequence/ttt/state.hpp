// SPDX-License-Identifier: MIT
// What a TTT layer remembers of the streams it reads: inner weights now, the open mini-batch, the convolution's tail.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ttt/sequence/ttt/params.hpp"

namespace ttt {

/// One stream of one layer. Its size never changes.
template <InnerModel M>
struct StreamState {
  using T = typename M::Scalar;

  struct Map {
    Tensor<T, 3> W;  // [heads, in, out]  after the last gradient step
    Tensor<T, 3> b;  // [heads, 1, out]
    Tensor<T, 3> X;  // [heads, mini_batch_size, in]   rows of the open mini-batch
    Tensor<T, 3> G;  // [heads, mini_batch_size, out]
  };

  Index position = 0;  // tokens read
  std::array<Map, M::depth> maps;
  Tensor<T, 2> conv_tail;  // [conv_kernel - 1, C]: last inputs of the q/k convolutions; only with share_qk

  static StreamState zeros(const LayerConfig& config) {
    StreamState s;
    const auto shapes = M::shapes(config.head_dim());
    const Index H = config.num_heads, b = config.mini_batch_size;
    for (std::size_t i = 0; i < M::depth; ++i) {
      const auto [in, out] = shapes[i];
      s.maps[i] = {Tensor<T, 3>({H, in, out}), Tensor<T, 3>({H, 1, out}), Tensor<T, 3>({H, b, in}),
                   Tensor<T, 3>({H, b, out})};
    }
    if (config.share_qk) s.conv_tail = Tensor<T, 2>({config.conv_kernel - 1, config.hidden_size});
    return s;
  }

  HeadState<M> head(Index h) {
    HeadState<M> views;
    for (std::size_t i = 0; i < M::depth; ++i) views[i] = {maps[i].W[h], maps[i].b[h], maps[i].X[h], maps[i].G[h]};
    return views;
  }

  template <class F, class... S>
  static void visit(F f, S&... s) {
    for (std::size_t i = 0; i < M::depth; ++i) {
      const std::string n = std::to_string(i + 1);
      f("W" + n, s.maps[i].W...);
      f("b" + n, s.maps[i].b...);
      f("X" + n, s.maps[i].X...);
      f("G" + n, s.maps[i].G...);
    }
    f("conv_tail", s.conv_tail...);
  }
};

/// Streams that are read together, as a batch.
template <InnerModel M>
using Streams = View<StreamState<M>*, 1>;

/// The streams of a batch; they may be at different positions, and may be moved in and out. Copies are made by `clone`.
/// As the cotangent of a state (see Layer::backward) it has the same type, with gradients in place of values.
template <InnerModel M>
class LayerState {
 public:
  LayerState() = default;
  explicit LayerState(std::vector<StreamState<M>> all) : streams(std::move(all)) {}
  LayerState(LayerState&&) = default;
  LayerState& operator=(LayerState&&) = default;

  LayerState clone() const { return LayerState(*this); }
  Index batch() const { return static_cast<Index>(streams.size()); }

  std::vector<StreamState<M>> streams;

 private:
  LayerState(const LayerState&) = default;
};

}  // namespace ttt
