// SPDX-License-Identifier: MIT
// An inner model that the library does not have, written as a user would: an MLP of three layers.
#pragma once

#include "ttt/inner/concept.hpp"

namespace ttt::support {

/// f(x) = x + LN(gelu(gelu(x W1 + b1) W2 + b2) W3 + b3), with hidden layers twice as wide as a head.
template <class T>
struct DeepModel {
  using Scalar = T;
  static constexpr std::size_t depth = 3;
  static constexpr double default_base_lr = 0.1;

  static std::array<inner::AffineShape, depth> shapes(Index head_dim) {
    return {{{head_dim, 2 * head_dim}, {2 * head_dim, 2 * head_dim}, {2 * head_dim, head_dim}}};
  }

  static void extend(const inner::HeadState<DeepModel>& state, const inner::HeadSettings<T>& head,
                     const inner::MiniBatch<T>& in, const inner::Trace<DeepModel>& trace, View<T> out,
                     Workspace& scratch) {
    Frame frame(scratch);
    const auto rows = [&](const View<T>& v) { return v.row_range(in.open, in.size()); };
    copy(in.K, rows(state[0].X));
    for (std::size_t i = 0; i < depth; ++i) {
      if (i > 0) ops::gelu(trace[i - 1].Z, rows(state[i].X));
      apply(state[i], rows(state[i].X), trace[i].Z);
    }
    ops::reconstruction_gradient(trace[depth - 1].Z, in.target, head.norm, in.rate, rows(state[depth - 1].G));
    for (std::size_t i = depth - 1; i-- > 0;) {
      const View<T> S = frame.take<T, 2>(trace[i].Z.shape());
      ops::matmul_transposed(rows(state[i + 1].G), state[i + 1].W, S);
      ops::gelu_gradient(trace[i].Z, S, rows(state[i].G));
    }
    View<const T> x = in.Q;
    for (std::size_t i = 0; i < depth; ++i) {
      apply_updated(state[i], in, x, head.bias_step, trace[i].Z_bar, scratch);
      if (i + 1 < depth) x = activated(frame, trace[i].Z_bar);
    }
    readout(trace[depth - 1].Z_bar, in.Q, head, out);
  }

  static void extend_vjp(const inner::HeadState<DeepModel>& state, const inner::HeadSettings<T>& head,
                         const inner::MiniBatch<T>& in, const inner::Trace<DeepModel>& trace, View<const T> d_out,
                         const inner::HeadState<DeepModel>& d_state, const inner::Tokens<T>& d_in,
                         const inner::NormGradientRows<T>& d_norm, Workspace& scratch) {
    Frame frame(scratch);
    const auto rows = [&](const View<T>& v) { return v.row_range(in.open, in.size()); };
    const View<T> weight_rows = frame.take<T, 2>(in.Q.shape());
    std::array<View<T>, depth> d_Z;
    for (std::size_t i = 0; i < depth; ++i) d_Z[i] = frame.zeros<T, 2>(trace[i].Z.shape());

    View<T> d_Z_bar = frame.take<T, 2>(in.Q.shape());
    readout_vjp(trace[depth - 1].Z_bar, head, d_out, d_Z_bar, d_in.Q, weight_rows);
    for (std::size_t i = depth; i-- > 1;) {
      const View<T> x = activated(frame, trace[i - 1].Z_bar), dx = frame.zeros<T, 2>(x.shape());
      apply_updated_vjp(state[i], in, x, head.bias_step, d_Z_bar, d_state[i], dx, d_in.scale, scratch);
      d_Z_bar = frame.zeros<T, 2>(x.shape());
      ops::gelu_vjp(trace[i - 1].Z_bar, dx, d_Z_bar);
    }
    apply_updated_vjp(state[0], in, in.Q, head.bias_step, d_Z_bar, d_state[0], d_in.Q, d_in.scale, scratch);

    for (std::size_t i = 0; i + 1 < depth; ++i) {
      const View<T> S = frame.take<T, 2>(trace[i].Z.shape()), d_S = frame.take<T, 2>(trace[i].Z.shape());
      ops::matmul_transposed(rows(state[i + 1].G), state[i + 1].W, S);
      ops::gelu_gradient_vjp(trace[i].Z, S, rows(d_state[i].G), d_S, d_Z[i]);
      ops::add_matmul(d_S, state[i + 1].W, rows(d_state[i + 1].G));
      ops::add_outer(T(1), d_S, rows(state[i + 1].G), d_state[i + 1].W);
    }
    ops::reconstruction_gradient_vjp(trace[depth - 1].Z, in.target, head.norm, in.rate, rows(d_state[depth - 1].G),
                                     d_Z[depth - 1], d_in.target, d_in.rate, d_norm.weight, d_norm.bias);
    for (std::size_t i = depth; i-- > 0;) {
      apply_vjp(state[i], rows(state[i].X), d_Z[i], d_state[i], rows(d_state[i].X));
      if (i > 0) ops::gelu_vjp(trace[i - 1].Z, rows(d_state[i].X), d_Z[i - 1]);
    }
    copy<T, 2>(rows(d_state[0].X), d_in.K);
    ops::add(weight_rows, d_norm.weight);
    ops::add(d_out, d_norm.bias);
  }

 private:
  static View<T> activated(Frame& frame, View<const T> z) {
    const View<T> x = frame.take<T, 2>(z.shape());
    ops::gelu(z, x);
    return x;
  }
};

}  // namespace ttt::support
