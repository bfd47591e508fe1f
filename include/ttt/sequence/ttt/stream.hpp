// SPDX-License-Identifier: MIT
// What a TTT layer remembers of one stream: inner weights now, the open mini-batch, the convolution's tail.
#pragma once

#include <array>
#include <string>

#include "ttt/sequence/ttt/params.hpp"

namespace ttt {

/// One stream of one TTT layer. Its size never changes.
template <InnerModel M>
struct TttStream {
  using Scalar = typename M::Scalar;

  struct Map {
    Tensor<Scalar, 3> W;  // [heads, in, out]  after the last gradient step
    Tensor<Scalar, 3> b;  // [heads, 1, out]
    Tensor<Scalar, 3> X;  // [heads, mini_batch_size, in]   rows of the open mini-batch
    Tensor<Scalar, 3> G;  // [heads, mini_batch_size, out]
  };

  Index position = 0;  // tokens read
  std::array<Map, M::depth> maps;
  Tensor<Scalar, 2> conv_tail;  // [conv_kernel - 1, C]: last inputs of the q/k convolutions; only with share_qk

  static TttStream zeros(const TttConfig& config) {
    TttStream s;
    const auto shapes = M::shapes(config.head_dim());
    const Index H = config.num_heads, b = config.mini_batch_size;
    for (std::size_t i = 0; i < M::depth; ++i) {
      const auto [in, out] = shapes[i];
      s.maps[i] = {Tensor<Scalar, 3>({H, in, out}), Tensor<Scalar, 3>({H, 1, out}), Tensor<Scalar, 3>({H, b, in}),
                   Tensor<Scalar, 3>({H, b, out})};
    }
    if (config.share_qk) s.conv_tail = Tensor<Scalar, 2>({config.conv_kernel - 1, config.hidden_size});
    return s;
  }

  inner::HeadState<M> head(Index h) {
    inner::HeadState<M> views;
    for (std::size_t i = 0; i < M::depth; ++i) views[i] = {maps[i].W[h], maps[i].b[h], maps[i].X[h], maps[i].G[h]};
    return views;
  }

  /// f(name, part...) for the position, an Index, and then every tensor, over one or more streams at a time.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("position", s.position...);
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

}  // namespace ttt
