// SPDX-License-Identifier: MIT
// A layer with all that one call of it needs.
#pragma once

#include "ttt/layer.hpp"
#include "work.hpp"

namespace ttt::bench {

/// One stream, which goes on with every call.
template <InnerModel M>
struct LayerForward {
  LayerForward(Index hidden_size, Index num_heads, Index tokens)
      : rng(1),
        layer({.hidden_size = hidden_size, .num_heads = num_heads}, rng),
        x(normal<float>({1, tokens, hidden_size}, rng)),
        y(x.shape()),
        stream(layer.start(1)) {}

  void run() { layer.forward(x, stream, work, y); }
  double flop() const { return real(x.extent(1)) * flop_per_token<M>(layer.config()); }

  Rng rng;
  Ttt<M> layer;
  Tensor<float, 3> x, y;  // [1, tokens, hidden_size]
  TttState<M> stream;
  Workspace work;
};

}  // namespace ttt::bench
