// SPDX-License-Identifier: MIT
// An inner model of your own in a few lines: affine maps with one activation between them. Say how wide the maps are
// and give the activation with its derivatives; the gradient step, its adjoint and all else are here.
#pragma once

#include <array>

#include "ttt/inner/concept.hpp"

namespace ttt::inner {

/// An elementwise function phi between the maps. Each element must be computed from its own inputs alone, and alike
/// wherever it stands in a row: then streaming gives the bits of the whole sequence.
template <class A, class T>
concept Activation = requires(View<const T> in, View<T> out) {
  A::value(in, out);                      // (z, y)               y = phi(z)
  A::value_vjp(in, in, out);              // (z, dy, dz)          dz += dy phi'(z)
  A::gradient(in, in, out);               // (z, s, g)            g = s phi'(z)
  A::gradient_vjp(in, in, in, out, out);  // (z, s, dg, ds, dz)   ds = dg phi'(z), dz += dg s phi''(z)
};

/// f(x) = [x +] LN(phi(phi(x W1 + b1) W2 + b2) ... ). `Spec` has Scalar, depth, shapes(head_dim) and default_base_lr,
/// as concept.hpp says, and is an Activation. With depth 1 it is TTT-Linear, with depth 2 and GELU it is TTT-MLP.
template <class Spec>
requires Activation<Spec, typename Spec::Scalar>
struct Chain {
  using T = typename Spec::Scalar;
  using Scalar = T;
  static constexpr std::size_t depth = Spec::depth, last = depth - 1;
  static constexpr double default_base_lr = Spec::default_base_lr;

  static std::array<AffineShape, depth> shapes(Index head_dim) { return Spec::shapes(head_dim); }

  static void extend(const HeadState<Chain>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                     const Trace<Chain>& trace, View<T> out, Workspace& scratch) {
    const auto rows = [&](const View<T>& open) { return open.row_range(in.open, in.size()); };

    ops::copy(in.K, rows(state[0].X));
    for (std::size_t i = 0; i < depth; ++i) {
      if (i > 0) Spec::value(trace[i - 1].Z, rows(state[i].X));
      apply(state[i], rows(state[i].X), trace[i].Z);
    }
    ops::reconstruction_gradient(trace[last].Z, in.target, head.norm, in.rate, rows(state[last].G));
    for (std::size_t i = last; i-- > 0;) {
      const View<T>& S = trace[i + 1].S;
      ops::matmul_transposed(rows(state[i + 1].G), state[i + 1].W, S);
      Spec::gradient(trace[i].Z, S, rows(state[i].G));
    }

    for (std::size_t i = 0; i < depth; ++i) {
      if (i > 0) Spec::value(trace[i - 1].Z_bar, trace[i].X_bar);
      const View<const T> X_bar = i > 0 ? View<const T>(trace[i].X_bar) : in.Q;
      apply_updated(state[i], in, X_bar, head.bias_step, trace[i].Z_bar, scratch);
    }
    readout(trace[last].Z_bar, in.Q, head, out);
  }

  static void extend_vjp(const HeadState<Chain>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                         const Trace<Chain>& trace, View<const T> d_out, const HeadState<Chain>& d_state,
                         const Tokens<T>& d_in, const NormGradientRows<T>& d_norm, Workspace& scratch) {
    Frame frame(scratch);
    const Index n = in.size();
    const auto rows = [&](const View<T>& open) { return open.row_range(in.open, n); };
    const auto zeros_like = [&](const View<T>& v) { return in.zeros(frame, v.cols()); };

    // Outputs, from the last map under updated weights to the first.
    const View<T> weight_rows = in.take(frame, d_out.cols());
    View<T> d_Z_bar = zeros_like(trace[last].Z);
    readout_vjp(trace[last].Z_bar, head, d_out, d_Z_bar, d_in.Q, weight_rows);
    for (std::size_t i = last; i > 0; --i) {
      const View<T> d_X_bar = zeros_like(trace[i].X_bar);
      apply_updated_vjp(state[i], in, trace[i].X_bar, head.bias_step, d_Z_bar, d_state[i], d_X_bar, d_in.scale,
                        scratch);
      d_Z_bar = zeros_like(d_X_bar);
      Spec::value_vjp(trace[i - 1].Z_bar, d_X_bar, d_Z_bar);
    }
    apply_updated_vjp(state[0], in, in.Q, head.bias_step, d_Z_bar, d_state[0], d_in.Q, d_in.scale, scratch);

    // Inner gradients, from the first map to the last: G_i = S phi'(Z_i) with S = G_{i+1} W_{i+1}^T.
    std::array<View<T>, depth> d_Z;
    for (std::size_t i = 0; i < depth; ++i) d_Z[i] = zeros_like(trace[i].Z);
    for (std::size_t i = 0; i < last; ++i) {
      const View<T> d_S = zeros_like(trace[i].Z);
      Spec::gradient_vjp(trace[i].Z, trace[i + 1].S, rows(d_state[i].G), d_S, d_Z[i]);
      ops::add_matmul(d_S, state[i + 1].W, rows(d_state[i + 1].G));
      ops::add_outer(T(1), d_S, rows(state[i + 1].G), d_state[i + 1].W);
    }
    ops::reconstruction_gradient_vjp(trace[last].Z, in.target, head.norm, in.rate, rows(d_state[last].G), d_Z[last],
                                     d_in.target, d_in.rate, d_norm.weight, d_norm.bias);

    // Inner forward, from the last map to the first.
    for (std::size_t i = depth; i-- > 0;) {
      apply_vjp(state[i], rows(state[i].X), d_Z[i], d_state[i], rows(d_state[i].X));
      if (i > 0) Spec::value_vjp(trace[i - 1].Z, rows(d_state[i].X), d_Z[i - 1]);
    }
    copy(rows(d_state[0].X), d_in.K);

    ops::add(weight_rows, d_norm.weight);
    ops::add(d_out, d_norm.bias);
  }
};

}  // namespace ttt::inner
