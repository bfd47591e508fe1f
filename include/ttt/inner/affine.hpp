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

#include "ttt/base/workspace.hpp"
#include "ttt/ops/ops.hpp"

namespace ttt {

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

/// The new rows of an open mini-batch, of one head: `first` rows are open already, n are new.
template <class T>
struct Tokens {
  Index first;
  Index room;              // the most rows that any piece of this call has
  View<const T> Q, K;      // [n, head_dim], rotated
  View<const T> target;    // [n, head_dim], what the inner model reconstructs: V - K
  View<const T, 1> rate;   // [n], the token's inner learning rate
  View<const T, 1> scale;  // [n], the position's factor

  Index size() const { return Q.rows(); }

  /// Scratch of one row for each token. It takes the memory of `room` rows: calls of one shape then need the same
  /// memory wherever in a mini-batch they begin, and only the first of them allocates.
  View<T> take(Frame& frame, Index cols) const { return frame.take<T, 2>({room, cols}).rows(0, size()); }
  View<T> zeros(Frame& frame, Index cols) const { return frame.zeros<T, 2>({room, cols}).rows(0, size()); }
};

/// Cotangents of Tokens.
template <class T>
struct TokenGradients {
  View<T> Q, K, target;
  View<T, 1> rate, scale;
};

/// What one head's inner model reads besides its state.
template <class T>
struct HeadSettings {
  NormWeights<T> norm;  // of the layer norm inside the inner model; null weight: none
  bool residual;        // f(x) = x + ...
  T bias_step;          // 1: biases are trained; 0: they stay
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
void apply_updated(const InnerAffine<T>& map, const Tokens<T>& in, ops::In<T> x, std::type_identity_t<T> bias_step,
                   View<T> z, Workspace& scratch) {
  Frame frame(scratch);
  const Index open = in.first + in.size();
  const View<T> P = in.take(frame, map.X.rows()).columns(0, open);
  ops::apply_updated(x, map.W, map.b[0], map.X.rows(0, open), map.G.rows(0, open), in.scale, bias_step, in.first, P, z);
}

/// Adjoint of `apply_updated`: adds to d_map (X and G of all open rows, W, b), dx and d_scale. Spec section 10.
template <class T>
void apply_updated_vjp(const InnerAffine<T>& map, const Tokens<T>& in, ops::In<T> x, std::type_identity_t<T> bias_step,
                       ops::In<T> dz, const InnerAffine<T>& d_map, View<T> dx, View<T, 1> d_scale, Workspace& scratch) {
  Frame frame(scratch);
  const Index open = in.first + in.size();
  const View<T> P = in.take(frame, map.X.rows()).columns(0, open);
  const View<T> R = in.take(frame, map.X.rows()).columns(0, open);
  ops::matmul_transposed(x, map.X.rows(0, open), P);
  ops::matmul_transposed(dz, map.G.rows(0, open), R);
  ops::causal_update_vjp(in.scale, bias_step, in.first, P, R, d_scale);
  ops::add_outer(T(1), P, dz, d_map.G.rows(0, open));
  ops::add_outer(T(1), R, x, d_map.X.rows(0, open));
  ops::add_matmul(R, map.X.rows(0, open), dx);
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

/// out = [Q +] LN(Z): how every inner model ends.
template <class T>
void readout(ops::In<T> Z, ops::In<T> Q, const HeadSettings<T>& head, View<T> out) {
  if (head.residual) {
    ops::layer_norm(Z, head.norm, Q, out);
  } else {
    ops::layer_norm(Z, head.norm, out);
  }
}

/// Adjoint of `readout`: dZ and dQ are written, and the rows whose sum is the gradient of the norm's weight. (That of
/// its bias is the sum of the rows of d_out.)
template <class T>
void readout_vjp(ops::In<T> Z, const HeadSettings<T>& head, ops::In<T> d_out, View<T> dZ, View<T> dQ,
                 View<T> d_weight_rows) {
  ops::layer_norm_vjp(Z, head.norm, d_out, dZ, d_weight_rows);
  if (head.residual) {
    copy(d_out, dQ);
  } else {
    fill(dQ, T(0));
  }
}

}  // namespace ttt
