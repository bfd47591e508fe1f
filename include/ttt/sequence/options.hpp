// SPDX-License-Identifier: MIT
// What a caller may ask of a forward pass besides its output.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "ttt/base/tensor.hpp"

namespace ttt {

/// The inner loss 1/2 |f(k) - v|^2 of every token, in every head, under three sets of weights: the initial ones, those
/// before the token's mini-batch step, and those after the token's own gradient (the figure on inner loss in section 2
/// of the paper). Resized, where the shape is another, by the forward pass that fills it; 0 beyond a stream's length.
/// Empty for layers without inner models. [batch, heads, time]
template <class T>
struct InnerLosses {
  Tensor<T, 3> initial, before, after;

  void resize(const Shape<3>& shape) {
    for (Tensor<T, 3>* all : {&initial, &before, &after}) {
      if (all->shape() != shape) *all = Tensor<T, 3>(shape);
    }
  }

  void clear() {
    for (Tensor<T, 3>* all : {&initial, &before, &after}) std::fill(all->begin(), all->end(), T(0));
  }
};

/// Options of one forward pass of a layer.
template <class T>
struct ForwardOptions {
  double inner_lr = 1.0;                // multiplies the inner learning rate; 0 freezes the inner model
  InnerLosses<T>* losses = nullptr;     // filled if given; null costs nothing
  std::span<const Index> lengths = {};  // tokens of each stream; empty: all of them. What lies beyond changes nothing
};

namespace detail {

inline void check_inner_lr(double inner_lr) {
  require<ConfigError>(inner_lr >= 0 && inner_lr <= std::numeric_limits<double>::max(),
                       "inner_lr: expected a finite number of at least 0, found ", inner_lr);
}

/// Throws ShapeError unless there is a length of at most `time` for each stream, or none at all.
inline void check_lengths(std::span<const Index> lengths, Index batch, Index time) {
  if (lengths.empty()) return;
  require<ShapeError>(static_cast<Index>(lengths.size()) == batch, "lengths: expected one for each of ", batch,
                      " streams, found ", lengths.size());
  for (const Index length : lengths) {
    require<ShapeError>(0 <= length && length <= time, "lengths: expected 0 to ", time, " tokens, found ", length);
  }
}

}  // namespace detail

}  // namespace ttt
