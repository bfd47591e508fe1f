// SPDX-License-Identifier: MIT
// A sequence layer, its input and its cotangents: what the laws of layers are tried on.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ttt/sequence/layer.hpp"
#include "ttt/testing/derivative.hpp"
#include "ttt/testing/pieces.hpp"
#include "ttt/testing/random_params.hpp"

namespace ttt::laws {

/// A layer whose parameters are as after training.
template <SequenceLayer S>
Layer<S> random_layer(const typename S::Config& config, Rng& rng) {
  return Layer<S>(config, random_params(S::Params::zeros(S::resolved(config)), rng));
}

/// Reads x in pieces of these lengths, continuing `state`.
template <SequenceLayer S>
Tensor<typename S::Scalar, 3> forward_in_pieces(const Layer<S>& layer, const Tensor<typename S::Scalar, 3>& x,
                                                State<typename S::Stream>& state, const Cuts& cuts) {
  Tensor<typename S::Scalar, 3> y(x.shape());
  Workspace work;
  Index t = 0;
  for (const Index n : cuts) {
    layer.forward(time_piece(x.view(), t, n), state, work, time_piece(y.view(), t, n));
    t += n;
  }
  return y;
}

/// Values for everything in a state, or for its cotangent.
template <class Stream>
void fill_state(State<Stream>& state, double deviation, Rng& rng) {
  for (Stream& stream : state.streams) {
    Stream::visit(detail::tensors_only([&](const std::string&, auto& t) {
                    using T = std::remove_pointer_t<decltype(t.data())>;
                    fill_normal<T>({t.data(), {t.size()}}, deviation, rng);
                  }),
                  stream);
  }
}

/// The value sum(y * dy) + sum(final state * d_final), and its gradients.
template <SequenceLayer S>
struct LayerProblem {
  using T = typename S::Scalar;
  using Stream = typename S::Stream;

  struct Gradients {
    Tensor<T, 3> x;
    typename S::Params params;
    State<Stream> state;  // of the first state, unless that is the layer's own start
  };

  Layer<S> layer;
  Tensor<T, 3> x, dy;
  std::optional<State<Stream>> first;  // empty: the layer's own start
  State<Stream> d_final;
  double inner_lr = 1.0;

  /// Streams begin after `prefix` tokens, with everything that came of them taken as given.
  LayerProblem(const typename S::Config& config, Index batch, Index prefix, Index time, Rng& rng)
      : layer(random_layer<S>(config, rng)),
        x(normal<T, 3>({batch, time, layer.config().hidden_size}, rng)),
        dy(normal<T, 3>(x.shape(), rng)) {
    if (prefix > 0) {
      first = layer.start(batch);
      forward_in_pieces(layer, normal<T, 3>({batch, prefix, layer.config().hidden_size}, rng), *first, {prefix});
    }
    d_final = start();
    forward_in_pieces(layer, x, d_final, {time});  // a cotangent has what the final state has
    fill_state(d_final, 0.3, rng);
  }

  State<Stream> start() const { return first ? first->clone() : layer.start(x.extent(0)); }

  double value() const {
    State<Stream> state = start();
    Tensor<T, 3> y(x.shape());
    Workspace work;
    layer.forward(x, state, work, y, {.inner_lr = inner_lr});
    double sum = 0;
    for (Index i = 0; i < y.size(); ++i) sum += y.data()[i] * dy.data()[i];
    for (std::size_t i = 0; i < state.streams.size(); ++i) {
      Stream::visit(detail::tensors_only([&](const std::string&, const auto& s, const auto& g) {
                      for (Index j = 0; j < s.size(); ++j) sum += s.data()[j] * g.data()[j];
                    }),
                    state.streams[i], d_final.streams[i]);
    }
    return sum;
  }

  Gradients gradients() const { return gradients_in_pieces({x.extent(1)}); }

  /// Piece after piece forward, and back again handing the state's cotangent on.
  Gradients gradients_in_pieces(const Cuts& cuts) const {
    Gradients d{Tensor<T, 3>(x.shape()), S::Params::zeros(layer.config()), d_final.clone()};
    Workspace work;
    State<Stream> state = start();
    std::vector<LayerTape<S>> tapes(cuts.size());
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

/// Throws Error unless all gradients agree with finite differences.
template <SequenceLayer S>
void check_gradients(LayerProblem<S> problem, Rng& rng) {
  auto d = problem.gradients();
  check_derivatives([&] { return problem.value(); }, problem.variables(d), rng);
}

}  // namespace ttt::laws
