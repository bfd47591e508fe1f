// SPDX-License-Identifier: MIT
// An affine map that is trained while the sequence is read: the atom of every inner model, and its dual form.
//
// A mini-batch of b tokens takes one gradient step. While it is open, the state keeps the rows X that went into the map
// and the gradients G that came back, with the token's learning rate already in G. With scale_t = max(0, 1/(t+1) +
// learned):
//
//   apply            z_t = x_t W + b                                                     weights of the last step
//   apply_updated    z_t = x_t W + b - scale_t sum_{s <= t} (x_t . X_s + 1) G_s           the dual form, paper 2.5
//   commit           W -= scale_{b-1} X^T G,   b -= scale_{b-1} sum_s G_s                 the gradient step, paper 2.4
//
// Row t reads only rows s <= t, so an open mini-batch can be extended by any number of rows at a time.
#pragma once

#include <array>

#include "ttt/inner/mini_batch.hpp"
#include "ttt/ops/ops.hpp"

namespace ttt::inner {

/// Widths of one affine map.
struct AffineShape {
  Index in, out;
};

/// The weights of one affine map in every head: the initial ones are parameters, the current ones hidden state.
template <class T>
struct Affine {
  Tensor<T, 3> W;  // [heads, in, out]
  Tensor<T, 3> b;  // [heads, 1, out]

  static Affine zeros(Index heads, AffineShape shape) {
    return {Tensor<T, 3>({heads, shape.in, shape.out}), Tensor<T, 3>({heads, 1, shape.out})};
  }
};

/// What the hidden state holds of one affine map in one head.
template <class T>
struct InnerAffine {
  View<T> W;  // [in, out]   after the last gradient step
  View<T> b;  // [1, out]
  View<T> X;  // [b, in]     the open mini-batch: inputs
  View<T> G;  // [b, out]    and rate-weighted gradients with respect to outputs
};

/// z = x W + b
template <class T>
void apply(const InnerAffine<T>& map, ops::In<T> x, View<T> z) {
  ops::matmul(x, map.W, map.b[0], z);
}

/// Adjoint of `apply`: d_map.W and d_map.b, and dx, are added to.
template <class T>
void apply_vjp(const InnerAffine<T>& map, ops::In<T> x, ops::In<T> dz, const InnerAffine<T>& d_map, View<T> dx) {
  ops::add_outer(T(1), x, dz, d_map.W);
  ops::add_column_sums(T(1), dz, d_map.b[0]);
  ops::add_matmul_transposed(dz, map.W, dx);
}

/// The dual form. Row i of x is what token i of `in` puts into the map; X and G hold all of its rows already.
template <class T>
void apply_updated(const InnerAffine<T>& map, const MiniBatch<T>& in, ops::In<T> x, std::type_identity_t<T> bias_step,
                   View<T> z, Workspace& scratch) {
  Frame frame(scratch);
  const Index rows = in.open + in.size();
  const View<T> P = in.take(frame, map.X.rows()).columns(0, rows);
  ops::apply_updated(x, map.W, map.b[0], map.X.row_range(0, rows), map.G.row_range(0, rows), in.scale, bias_step,
                     in.open, P, z);
}

/// Adjoint of `apply_updated`: adds to d_map (X and G of all open rows, W, b), dx and d_scale.
template <class T>
void apply_updated_vjp(const InnerAffine<T>& map, const MiniBatch<T>& in, ops::In<T> x,
                       std::type_identity_t<T> bias_step, ops::In<T> dz, const InnerAffine<T>& d_map, View<T> dx,
                       View<T, 1> d_scale, Workspace& scratch) {
  Frame frame(scratch);
  const Index rows = in.open + in.size();
  const View<T> P = in.take(frame, map.X.rows()).columns(0, rows);
  const View<T> R = in.take(frame, map.X.rows()).columns(0, rows);
  ops::matmul_transposed(x, map.X.row_range(0, rows), P);
  ops::matmul_transposed(dz, map.G.row_range(0, rows), R);
  ops::dual_form_vjp(in.scale, bias_step, in.open, P, R, d_scale);
  ops::add_outer(T(1), P, dz, d_map.G.row_range(0, rows));
  ops::add_outer(T(1), R, x, d_map.X.row_range(0, rows));
  ops::add_matmul(R, map.X.row_range(0, rows), dx);
  apply_vjp(map, x, dz, d_map, dx);
}

/// The gradient step of a full mini-batch.
template <class T>
void commit(const InnerAffine<T>& map, std::type_identity_t<T> scale, std::type_identity_t<T> bias_step) {
  ops::commit(scale, bias_step, map.X, map.G, map.W, map.b[0]);
}

/// Adjoint of `commit`: d_map.W and d_map.b pass through; adds to d_map.X, d_map.G and d_scale (one element).
template <class T>
void commit_vjp(const InnerAffine<T>& map, std::type_identity_t<T> scale, std::type_identity_t<T> bias_step,
                const InnerAffine<T>& d_map, View<T, 1> d_scale, Workspace& scratch) {
  Frame frame(scratch);
  const Index b = map.X.rows();
  // psi_s = X_s dW G_s^T + db . G_s
  const View<T> dG = frame.take<T, 2>({b, map.W.cols()}), dX = frame.take<T, 2>({b, map.W.rows()});
  const View<T> psi = frame.take<T, 2>({b, 1});
  if (bias_step == T(0)) {
    ops::matmul(map.X, d_map.W, dG);
  } else {
    ops::matmul(map.X, d_map.W, d_map.b[0], dG);
  }
  ops::dot(dG, map.G, View<T, 1>(psi.data(), {b}));
  ops::add_column_sums(T(-1), psi, d_scale);
  ops::scale(-scale, dG);
  ops::add(dG, d_map.G);
  ops::matmul_transposed(map.G, d_map.W, dX);
  ops::scale(-scale, dX);
  ops::add(dX, d_map.X);
}

}  // namespace ttt::inner
