// SPDX-License-Identifier: MIT
// TTT-MLP: f(x) = x + LN(gelu(x W1 + b1) W2 + b2), four times as wide inside. Paper section 2.7.
#pragma once

#include "ttt/inner/concept.hpp"

namespace ttt::inner {

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
    Frame frame(scratch);
    const auto& [layer1, layer2] = state;
    const auto& [d_layer1, d_layer2] = d_state;
    const View<T> Z1 = trace[0].Z, Z1_bar = trace[0].Z_bar;
    const auto& [Z2, Z2_bar, X2_bar, S] = trace[1];
    const Index n = in.size(), D = in.Q.cols(), F = Z1.cols();
    const View<T> X1 = layer1.X.row_range(in.open, n);
    const View<T> X2 = layer2.X.row_range(in.open, n), G2 = layer2.G.row_range(in.open, n);
    const View<T> d_X1 = d_layer1.X.row_range(in.open, n), d_G1 = d_layer1.G.row_range(in.open, n);
    const View<T> d_X2 = d_layer2.X.row_range(in.open, n), d_G2 = d_layer2.G.row_range(in.open, n);
    const View<T> d_Z2 = in.take(frame, D), d_Z2_bar = in.take(frame, D);
    const View<T> weight_rows = in.take(frame, D);
    const View<T> d_Z1 = in.zeros(frame, F), d_Z1_bar = in.zeros(frame, F);
    const View<T> d_X2_bar = in.zeros(frame, F), d_S = in.take(frame, F);

    // Outputs: Z2_bar <- X2_bar <- Z1_bar <- Q, each under the updated weights.
    readout_vjp(Z2_bar, head, d_out, d_Z2_bar, d_in.Q, weight_rows);
    apply_updated_vjp(layer2, in, X2_bar, head.bias_step, d_Z2_bar, d_layer2, d_X2_bar, d_in.scale, scratch);
    ops::gelu_vjp(Z1_bar, d_X2_bar, d_Z1_bar);
    apply_updated_vjp(layer1, in, in.Q, head.bias_step, d_Z1_bar, d_layer1, d_in.Q, d_in.scale, scratch);

    // Inner gradients: G1 = S * gelu'(Z1) with S = G2 W2^T, then G2.
    ops::gelu_gradient_vjp(Z1, S, d_G1, d_S, d_Z1);
    ops::add_matmul(d_S, layer2.W, d_G2);
    ops::add_outer(T(1), d_S, G2, d_layer2.W);
    ops::reconstruction_gradient_vjp(Z2, in.target, head.norm, in.rate, d_G2, d_Z2, d_in.target, d_in.rate,
                                     d_norm.weight, d_norm.bias);

    // Inner forward: Z2 <- X2 <- Z1 <- X1 = K.
    apply_vjp(layer2, X2, d_Z2, d_layer2, d_X2);
    ops::gelu_vjp(Z1, d_X2, d_Z1);
    apply_vjp(layer1, X1, d_Z1, d_layer1, d_X1);
    copy(d_X1, d_in.K);

    ops::add(weight_rows, d_norm.weight);
    ops::add(d_out, d_norm.bias);
  }
};

}  // namespace ttt::inner
