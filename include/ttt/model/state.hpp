// SPDX-License-Identifier: MIT
// What a language model remembers of the streams it reads.
#pragma once

#include <vector>

#include "ttt/model/config.hpp"
#include "ttt/ops/parameters.hpp"
#include "ttt/sequence/state.hpp"

namespace ttt {

/// What one block remembers of one stream.
template <class T>
struct BlockStream {
  sequence::AnyStream<T> layer;
  Tensor<T, 2> conv_tail;  // [conv_kernel - 1, C]: last normalised inputs of the front convolution; pre_conv

  template <class F, class... S>
  static void visit(F f, S&... s) {
    sequence::visit_alike(
        [&](auto& stream, auto&... others) {
          std::remove_cvref_t<decltype(stream)>::visit(
              [&](const auto& name, auto&... part) { f(detail::Name("seq_modeling_block.", name), part...); }, stream,
              others...);
        },
        s.layer...);
    f("conv_tail", s.conv_tail...);
  }
};

/// One stream of a language model: block by block.
template <class T>
struct ModelStream {
  std::vector<BlockStream<T>> layers;

  /// Tokens read.
  Index position() const {
    if (layers.empty()) return 0;
    return std::visit([](const auto& layer) { return layer.position; }, layers.front().layer);
  }

  /// f(name, part...) for positions and tensors of all blocks, over one or more streams at a time.
  template <class F, class First, class... Rest>
  static void visit(F f, First& first, Rest&... rest) {
    for (std::size_t i = 0; i < first.layers.size(); ++i) {
      BlockStream<T>::visit([&](const auto& name, auto&... part) { f(detail::Name("layers.", i, ".", name), part...); },
                            first.layers[i], rest.layers[i]...);
    }
  }
};

/// The streams of a batch.
template <class T>
using ModelState = State<ModelStream<T>>;

}  // namespace ttt
