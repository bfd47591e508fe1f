// SPDX-License-Identifier: MIT
// A layer with everything on, its input and its cotangents: what the laws of the layer are tried on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "support/derivative.hpp"
#include "support/pieces.hpp"
#include "support/random_params.hpp"
#include "ttt/layer.hpp"

namespace ttt::support {

/// All switches on; no size divides another, but the hidden size.
inline TttConfig full_config(Index mini_batch = 7) {
  return {.hidden_size = 18,
          .num_heads = 3,
          .mini_batch_size = mini_batch,
          .base_lr = 3.0,
          .rope_theta = 100.0,
          .conv_kernel = 4,
          .share_qk = true,
          .use_gate = true};
}

template <InnerModel M>
Ttt<M> random_layer(const TttConfig& config, Rng& rng) {
  return Ttt<M>(config, random_params(TttParams<M>::zeros(config), rng));
}

/// Reads x in pieces of these lengths, continuing `state`.
template <InnerModel M>
Tensor<typename M::Scalar, 3> forward_in_pieces(const Ttt<M>& layer, const Tensor<typename M::Scalar, 3>& x,
                                                TttState<M>& state, const Cuts& cuts) {
  Tensor<typename M::Scalar, 3> y(x.shape());
  Workspace work;
  Index t = 0;
  for (const Index n : cuts) {
    layer.forward(time_piece(x.view(), t, n), state, work, time_piece(y.view(), t, n));
    t += n;
  }
  return y;
}

/// Values for everything in a state, or for its cotangent.
template <InnerModel M>
void fill_state(TttState<M>& state, double deviation, Rng& rng) {
  for (TttStream<M>& stream : state.streams) {
    TttStream<M>::visit(detail::tensors_only([&](const std::string&, auto& t) {
                          fill_normal<typename M::Scalar>({t.data(), {t.size()}}, deviation, rng);
                        }),
                        stream);
  }
}

/// The value sum(y * dy) + sum(final state * d_final), and its gradients.
template <InnerModel M>
struct LayerProblem {
  using T = typename M::Scalar;

  struct Gradients {
    Tensor<T, 3> x;
    TttParams<M> params;
    TttState<M> state;  // of the first state, unless that is the layer's own start
  };

  Ttt<M> layer;
  Tensor<T, 3> x, dy;
  std::optional<TttState<M>> first;  // empty: the layer's own start
  TttState<M> d_final;
  double inner_lr = 1.0;

  /// Streams begin after `prefix` tokens, with everything that came of them taken as given.
  LayerProblem(const TttConfig& config, Index batch, Index prefix, Index time, Rng& rng)
      : layer(random_layer<M>(config, rng)),
        x(normal<T, 3>({batch, time, config.hidden_size}, rng)),
        dy(normal<T, 3>({batch, time, config.hidden_size}, rng)),
        d_final(layer.zeros(batch)) {
    fill_state(d_final, 0.3, rng);
    if (prefix == 0) return;
    first = layer.start(batch);
    forward_in_pieces(layer, normal<T, 3>({batch, prefix, config.hidden_size}, rng), *first, {prefix});
  }

  TttState<M> start() const { return first ? first->clone() : layer.start(x.extent(0)); }

  double value() const {
    TttState<M> state = start();
    Tensor<T, 3> y(x.shape());
    Workspace work;
    layer.forward(x, state, work, y, {.inner_lr = inner_lr});
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * dy.data()[i];
    for (std::size_t i = 0; i < state.streams.size(); ++i) {
      TttStream<M>::visit(detail::tensors_only([&](const std::string&, const auto& s, const auto& g) {
                            for (Index j = 0; j < s.size(); ++j) sum += s.data()[j] * g.data()[j];
                          }),
                          state.streams[i], d_final.streams[i]);
    }
    return sum;
  }

  Gradients gradients() const { return gradients_in_pieces({x.extent(1)}); }

  /// Piece after piece forward, and back again handing the state's cotangent on.
  Gradients gradients_in_pieces(const Cuts& cuts) const {
    Gradients d{Tensor<T, 3>(x.shape()), TttParams<M>::zeros(layer.config()), d_final.clone()};
    Workspace work;
    TttState<M> state = start();
    std::vector<TttTape<M>> tapes(cuts.size());
    Index t = 0;
    for (std::size_t i = 0; i < cuts.size(); ++i) {
      Tensor<T, 3> y({x.extent(0), cuts[i], x.extent(2)});
      layer.forward(time_piece(x.view(), t, cuts[i]), state, tapes[i], work, y, {.inner_lr = inner_lr});
      t += cuts[i];
    }
    for (std::size_t i = cuts.size(); i-- > 0;) {
      t -= cuts[i];
      Tensor<T, 3> dx({x.extent(0), cuts[i], x.extent(2)});
      layer.backward(tapes[i], time_piece(dy.view(), t, cuts[i]), d.state, work, dx, d.params);
      copy<T, 3>(dx, time_piece(d.x.view(), t, cuts[i]));
    }
    if (!first) layer.start_vjp(d.state, work, d.params);
    return d;
  }

  /// Input, every parameter, and what the first state holds.
  std::vector<Variable> variables(Gradients& d) {
    std::vector<Variable> all{{"x", values(x), values(d.x)}};
    append_variables("", layer.params(), d.params, all);
    if (first) {
      for (std::size_t i = 0; i < first->streams.size(); ++i) {
        append_variables("stream " + std::to_string(i) + ", ", first->streams[i], d.state.streams[i], all);
      }
    }
    return all;
  }
};

template <InnerModel M>
void expect_gradients(LayerProblem<M> problem, Rng& rng) {
  auto d = problem.gradients();
  expect_derivatives([&] { return problem.value(); }, problem.variables(d), rng);
}

}  // namespace ttt::support
