// SPDX-License-Identifier: MIT
// TTT-MLP: f(x) = x + LN(gelu(x W1 + b1) W2 + b2), four times as wide inside. Paper section 2.7.
#pragma once

#include "ttt/inner/chain_vjp.hpp"

namespace ttt::inner {

/// phi = GELU in its tanh form.
template <class T>
struct Gelu {
  using In = View<const T>;
  static void value(In z, View<T> y) { ops::gelu(z, y); }
  static void value_vjp(In z, In dy, View<T> dz) { ops::gelu_vjp(z, dy, dz); }
  static void gradient(In z, In s, View<T> g) { ops::gelu_gradient(z, s, g); }
  static void gradient_vjp(In z, In s, In dg, View<T> ds, View<T> dz) { ops::gelu_gradient_vjp(z, s, dg, ds, dz); }
};

/// f(x) = x + LN(gelu(x W1 + b1) W2 + b2)
template <class T>
struct Mlp {
  using Scalar = T;
  static constexpr std::size_t depth = 2;
  static constexpr double default_base_lr = 0.1;

  static std::array<AffineShape, depth> shapes(Index head_dim) {
    return {{{head_dim, 4 * head_dim}, {4 * head_dim, head_dim}}};
  }

  static void extend(const HeadState<Mlp>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                     const Trace<Mlp>& trace, View<T> out, Workspace& scratch) {
    Frame frame(scratch);
    const auto& [layer1, layer2] = state;
    const View<T> Z1 = trace[0].Z, Z1_bar = trace[0].Z_bar;
    const auto& [Z2, Z2_bar, X2_bar, S] = trace[1];
    const Index n = in.size();
    const View<T> X1 = layer1.X.row_range(in.open, n), G1 = layer1.G.row_range(in.open, n);
    const View<T> X2 = layer2.X.row_range(in.open, n), G2 = layer2.G.row_range(in.open, n);
    const View<T> slope = in.take(frame, X2.cols());

    ops::copy(in.K, X1);
    apply(layer1, X1, Z1);
    ops::gelu_and_slope(Z1, X2, slope);
    apply(layer2, X2, Z2);
    ops::reconstruction_gradient(Z2, in.target, head.norm, in.rate, G2);
    ops::matmul_transposed(G2, layer2.W, S);
    ops::multiply(S, slope, G1);

    apply_updated(layer1, in, in.Q, head.bias_step, Z1_bar, scratch);
    ops::gelu(Z1_bar, X2_bar);
    apply_updated(layer2, in, X2_bar, head.bias_step, Z2_bar, scratch);
    readout(Z2_bar, in.Q, head, out);
  }

  static void extend_vjp(const HeadState<Mlp>& state, const HeadSettings<T>& head, const MiniBatch<T>& in,
                         const Trace<Mlp>& trace, View<const T> d_out, const HeadState<Mlp>& d_state,
                         const Tokens<T>& d_in, const NormGradientRows<T>& d_norm, Workspace& scratch) {
    chain_vjp<Mlp, Gelu<T>>(state, head, in, trace, d_out, d_state, d_in, d_norm, scratch);
  }
};

}  // namespace ttt::inner
