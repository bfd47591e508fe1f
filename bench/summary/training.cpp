// SPDX-License-Identifier: MIT
// Rows of training a layer with 12 heads of size 64: time of the backward pass, and what it keeps in memory.
#include "layer_forward.hpp"
#include "summary/summary.hpp"

namespace ttt::bench {
namespace {

/// Gradients of everything: input, parameters, initial state. What backward computes again is part of its time.
template <InnerModel M>
Spread backward_over_forward() {
  LayerForward<M> forward(768, 12, 2048);
  const Ttt<M>& layer = forward.layer;
  const Tensor<float, 3> dy = normal<float>(forward.x.shape(), forward.rng);
  Tensor<float, 3> dx(dy.shape());
  TttParams<M> gradient = TttParams<M>::zeros(layer.config());
  TttTape<M> tape;
  TttState<M> stream = layer.start(1);
  Workspace work;
  layer.forward(forward.x, stream, tape, work, forward.y);
  const auto backward = [&] {
    TttState<M> d_stream = layer.zeros(1);
    layer.backward(tape, dy, d_stream, work, dx, gradient);
    layer.start_vjp(d_stream, work, gradient);
  };
  return ratio(thread_seconds, 1.5, backward, [&] { forward.run(); });
}

template <InnerModel M>
Spread state_share() {
  LayerForward<M> forward(768, 12, 8192);
  TttTape<M> tape;
  forward.layer.forward(forward.x, forward.stream, tape, forward.work, forward.y);
  return exactly(real(tape.record().inner_weight_bytes()) / real(tape.bytes()));
}

}  // namespace

void add_training_rows(std::vector<Row>& rows) {
  using Linear = inner::Linear<float>;
  using Mlp = inner::Mlp<float>;
  rows.push_back({"backward_linear_768", "of forward's time", backward_over_forward<Linear>});
  rows.push_back({"backward_mlp_768", "of forward's time", backward_over_forward<Mlp>});
  rows.push_back({"training_state_share_linear", "of the tape's bytes", state_share<Linear>});
  rows.push_back({"training_state_share_mlp", "of the tape's bytes", state_share<Mlp>});
}

}  // namespace ttt::bench
