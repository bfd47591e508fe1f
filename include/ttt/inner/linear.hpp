// SPDX-License-Identifier: MIT
// TTT-Linear: f(x) = x + LN(x W1 + b1). Paper section 2.7.
#pragma once

#include "ttt/inner/concept.hpp"

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
    Frame frame(scratch);
    const Index n = in.size(), D = in.Q.cols();
    const auto& [layer1] = state;
    const auto& [d_layer1] = d_state;
    const View<T> Z1 = trace[0].Z, Z1_bar = trace[0].Z_bar;
    const View<T> X1 = layer1.X.row_range(in.open, n);
    const View<T> d_X1 = d_layer1.X.row_range(in.open, n), d_G1 = d_layer1.G.row_range(in.open, n);
    const View<T> d_Z1 = in.take(frame, D), d_Z1_bar = in.take(frame, D);
    const View<T> weight_rows = in.take(frame, D);

    readout_vjp(Z1_bar, head, d_out, d_Z1_bar, d_in.Q, weight_rows);
    apply_updated_vjp(layer1, in, in.Q, head.bias_step, d_Z1_bar, d_layer1, d_in.Q, d_in.scale, scratch);

    ops::reconstruction_gradient_vjp(Z1, in.target, head.norm, in.rate, d_G1, d_Z1, d_in.target, d_in.rate,
                                     d_norm.weight, d_norm.bias);
    apply_vjp(layer1, X1, d_Z1, d_layer1, d_X1);
    copy(d_X1, d_in.K);

    ops::add(weight_rows, d_norm.weight);
    ops::add(d_out, d_norm.bias);
  }
};

}  // namespace ttt::inner
