// SPDX-License-Identifier: MIT
// TTT-Linear: f(x) = x + LN(x W1 + b1). Paper section 2.7.
#pragma once

#include "ttt/inner/chain_vjp.hpp"

namespace ttt::inner {

/// f(x) = x + LN(x W1 + b1)
template <class T>
struct Linear {
  using Scalar = T;
  static constexpr std::size_t depth = 1;
  static constexpr double default_base_lr = 1.0;

  static std::array<AffineShape, depth> shapes(Index head_dim) { return {{{head_dim, head_dim}}}; }

  static void extend(const HeadState<Linear>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                     const Trace<Linear>& trace, View<T> out, Workspace& scratch) {
    const auto& [layer1] = state;
    const View<T> Z1 = trace[0].Z, Z1_bar = trace[0].Z_bar;
    const View<T> X1 = layer1.X.row_range(in.open, in.size()), G1 = layer1.G.row_range(in.open, in.size());

    ops::copy(in.K, X1);
    apply(layer1, X1, Z1);
    ops::reconstruction_gradient(Z1, in.target, head.norm, in.rate, G1);

    apply_updated(layer1, in, in.Q, head.bias_step, Z1_bar, scratch);
    readout(Z1_bar, in.Q, head, out);
  }

  static void extend_vjp(const HeadState<Linear>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                         const Trace<Linear>& trace, View<const T> d_out, const HeadState<Linear>& d_state,
                         const Tokens<T>& d_in, const NormGradientRows<T>& d_norm, Workspace& scratch) {
    chain_vjp<Linear, void>(state, head, in, trace, d_out, d_state, d_in, d_norm, scratch);
  }
};

}  // namespace ttt::inner
