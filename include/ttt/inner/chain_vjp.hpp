// SPDX-License-Identifier: MIT
// The adjoint of every inner model that is a chain of affine maps with one activation between them.
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

/// Adjoint of `extend` of f(x) = [x +] LN(phi(phi(x W1 + b1) W2 + b2) ... ), with Phi the activation; for a chain of
/// one map, which has none, Phi is void. The inner model leaves in `trace` what concept.hpp says.
template <class M, class Phi>
void chain_vjp(const HeadState<M>& state, const HeadSettings<typename M::Scalar>& head,
               const MiniBatch<typename M::Scalar>& in, const Trace<M>& trace, View<const typename M::Scalar> d_out,
               const HeadState<M>& d_state, const Tokens<typename M::Scalar>& d_in,
               const NormGradientRows<typename M::Scalar>& d_norm, Workspace& scratch) {
  using T = typename M::Scalar;
  constexpr std::size_t depth = M::depth, last = depth - 1;
  Frame frame(scratch);
  const Index n = in.size();
  const auto rows = [&](const View<T>& open) { return open.row_range(in.open, n); };
  const auto take_like = [&](const View<T>& v) { return in.take(frame, v.cols()); };
  const auto zeros_like = [&](const View<T>& v) { return in.zeros(frame, v.cols()); };

  // Outputs, from the last map under updated weights to the first.
  const View<T> weight_rows = in.take(frame, d_out.cols());
  View<T> d_Z_bar = take_like(trace[last].Z);
  readout_vjp(trace[last].Z_bar, head, d_out, d_Z_bar, d_in.Q, weight_rows);
  if constexpr (depth > 1) {
    for (std::size_t i = last; i > 0; --i) {
      const View<T> d_X_bar = zeros_like(trace[i].X_bar);
      apply_updated_vjp(state[i], in, trace[i].X_bar, head.bias_step, d_Z_bar, d_state[i], d_X_bar, d_in.scale,
                        scratch);
      d_Z_bar = zeros_like(d_X_bar);
      Phi::value_vjp(trace[i - 1].Z_bar, d_X_bar, d_Z_bar);
    }
  }
  apply_updated_vjp(state[0], in, in.Q, head.bias_step, d_Z_bar, d_state[0], d_in.Q, d_in.scale, scratch);

  // Inner gradients, from the first map to the last: G_i = S phi'(Z_i) with S = G_{i+1} W_{i+1}^T.
  std::array<View<T>, depth> d_Z;
  d_Z[last] = take_like(trace[last].Z);
  if constexpr (depth > 1) {
    for (std::size_t i = 0; i < last; ++i) {
      d_Z[i] = zeros_like(trace[i].Z);
      const View<T> d_S = take_like(trace[i].Z);
      Phi::gradient_vjp(trace[i].Z, trace[i + 1].S, rows(d_state[i].G), d_S, d_Z[i]);
      ops::add_matmul(d_S, state[i + 1].W, rows(d_state[i + 1].G));
      ops::add_outer(T(1), d_S, rows(state[i + 1].G), d_state[i + 1].W);
    }
  }
  ops::reconstruction_gradient_vjp(trace[last].Z, in.target, head.norm, in.rate, rows(d_state[last].G), d_Z[last],
                                   d_in.target, d_in.rate, d_norm.weight, d_norm.bias);

  // Inner forward, from the last map to the first.
  for (std::size_t i = depth; i-- > 0;) {
    apply_vjp(state[i], rows(state[i].X), d_Z[i], d_state[i], rows(d_state[i].X));
    if constexpr (depth > 1) {
      if (i > 0) Phi::value_vjp(trace[i - 1].Z, rows(d_state[i].X), d_Z[i - 1]);
    }
  }
  copy(rows(d_state[0].X), d_in.K);

  ops::add(weight_rows, d_norm.weight);
  ops::add(d_out, d_norm.bias);
}

}  // namespace ttt::inner
