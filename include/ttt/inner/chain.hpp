// SPDX-License-Identifier: MIT
// An inner model of your own in a few lines: affine maps with one activation between them. Say how wide the maps are
// and give the activation with its derivatives; the gradient step, its adjoint and all else are here.
#pragma once

#include <array>

#include "ttt/inner/chain_vjp.hpp"

namespace ttt::inner {

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
    chain_vjp<Chain, Spec>(state, head, in, trace, d_out, d_state, d_in, d_norm, scratch);
  }
};

}  // namespace ttt::inner
