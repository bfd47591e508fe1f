// SPDX-License-Identifier: MIT
// The kernels as functions on views, each `foo` with its `foo_vjp`. They run on the calling thread; what they compute
// and in which order of operations is said in kernels.hpp. T is deduced from what is written, so tensors and views of
// constants may be read.
#pragma once

#include "ttt/base/tensor.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::ops {

/// Epsilon of the layer norms inside the inner model and after the heads.
inline constexpr double layer_norm_epsilon = 1e-6;

template <class T>
using In = std::type_identity_t<View<const T>>;
template <class T>
using InVector = std::type_identity_t<View<const T, 1>>;

namespace detail {

template <class T>
Rows<T> rows(const View<T>& v) {
  return {v.data(), v.rows(), v.cols(), v.stride(0)};
}

/// A vector as one row.
template <class T>
Rows<T> row(const View<T, 1>& v) {
  return {v.data(), 1, v.size(), v.size()};
}

}  // namespace detail

// --- products ------------------------------------------------------------------------------------------------------

/// C = A B. [m, k] [k, n]
template <class T>
void matmul(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols());
  kernels<T>().matmul(detail::rows(A), detail::rows(B), nullptr, false, detail::rows(C));
}

/// C = A B + bias on every row.
template <class T>
void matmul(In<T> A, In<T> B, InVector<T> bias, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols() && bias.size() == C.cols());
  kernels<T>().matmul(detail::rows(A), detail::rows(B), bias.data(), false, detail::rows(C));
}

/// C += A B
template <class T>
void add_matmul(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols());
  kernels<T>().matmul(detail::rows(A), detail::rows(B), nullptr, true, detail::rows(C));
}

/// C = A B^T. [m, k] [n, k]
template <class T>
void matmul_transposed(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.cols() && A.rows() == C.rows() && B.rows() == C.cols());
  kernels<T>().matmul_transposed(detail::rows(A), detail::rows(B), false, detail::rows(C));
}

/// C += A B^T
template <class T>
void add_matmul_transposed(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.cols() && A.rows() == C.rows() && B.rows() == C.cols());
  kernels<T>().matmul_transposed(detail::rows(A), detail::rows(B), true, detail::rows(C));
}

/// C += alpha A^T B. [r, m] [r, n]
template <class T>
void add_outer(std::type_identity_t<T> alpha, In<T> A, In<T> B, View<T> C) {
  assert(A.rows() == B.rows() && A.cols() == C.rows() && B.cols() == C.cols());
  kernels<T>().add_outer(alpha, detail::rows(A), detail::rows(B), detail::rows(C));
}

/// sums += alpha times the sum of the rows of A.
template <class T>
void add_column_sums(std::type_identity_t<T> alpha, In<T> A, View<T, 1> sums) {
  assert(A.cols() == sums.size());
  static constexpr T one = 1;
  kernels<T>().add_outer(alpha, {&one, A.rows(), 1, 0}, detail::rows(A), detail::row(sums));
}

/// The dual form: Z_t = x_t W + b + sum_{s <= first + t} P_ts G_s with P_ts = -scale_t (x_t . X_s + bias_step). X and G
/// hold first + n rows; P [n, first + n] is scratch.
template <class T>
void apply_updated(In<T> x, In<T> W, InVector<T> b, In<T> X, In<T> G, InVector<T> scale,
                   std::type_identity_t<T> bias_step, Index first, std::type_identity_t<View<T>> P, View<T> Z) {
  assert(x.rows() == Z.rows() && x.cols() == W.rows() && W.cols() == Z.cols() && b.size() == Z.cols());
  assert(X.rows() == first + x.rows() && X.cols() == x.cols() && G.rows() == X.rows() && G.cols() == Z.cols());
  assert(scale.size() == x.rows() && P.rows() == x.rows() && P.cols() == X.rows());
  kernels<T>().apply_updated(detail::rows(x), {detail::rows(W), b.data(), detail::rows(X), detail::rows(G)},
                             scale.data(), bias_step, first, detail::rows(P), detail::rows(Z));
}

/// The gradient step: W -= scale X^T G, b -= scale bias_step sum_s G_s. [r, m] [r, n]
template <class T>
void commit(std::type_identity_t<T> scale, std::type_identity_t<T> bias_step, In<T> X, In<T> G, View<T> W,
            std::type_identity_t<View<T, 1>> b) {
  assert(X.rows() == G.rows() && X.cols() == W.rows() && G.cols() == W.cols() && b.size() == W.cols());
  kernels<T>().commit(scale, bias_step, detail::rows(X), detail::rows(G), detail::rows(W), b.data());
}

/// With x X^T in `P` and R = dZ G^T in `R`: dP_ts = -scale_t R_ts in place of R, the weights -scale_t (P_ts +
/// bias_step) in place of P, both 0 where s > first + t, and d_scale_t -= sum_s (P_ts + bias_step) R_ts.
template <class T>
void causal_update_vjp(InVector<T> scale, std::type_identity_t<T> bias_step, Index first, View<T> P, View<T> R,
                       View<T, 1> d_scale) {
  assert(P.shape() == R.shape() && scale.size() == P.rows() && d_scale.size() == P.rows());
  kernels<T>().causal_update_vjp(scale.data(), bias_step, first, detail::rows(P), detail::rows(R), d_scale.data());
}

// --- norms ---------------------------------------------------------------------------------------------------------

template <class T>
void layer_norm(In<T> x, NormWeights<std::type_identity_t<T>> norm, View<T> y) {
  kernels<T>().layer_norm(detail::rows(x), norm, T(layer_norm_epsilon), {}, detail::rows(y));
}

/// y = residual + LN(x)
template <class T>
void layer_norm(In<T> x, NormWeights<std::type_identity_t<T>> norm, In<T> residual, View<T> y) {
  kernels<T>().layer_norm(detail::rows(x), norm, T(layer_norm_epsilon), detail::rows(residual), detail::rows(y));
}

template <class T>
void layer_norm_vjp(In<T> x, NormWeights<std::type_identity_t<T>> norm, In<T> dy, View<T> dx, View<T> d_weight_rows) {
  kernels<T>().layer_norm_vjp(detail::rows(x), norm, T(layer_norm_epsilon), detail::rows(dy), detail::rows(dx),
                              detail::rows(d_weight_rows));
}

template <class T>
void rms_norm(In<T> x, InVector<T> weight, double epsilon, View<T> y) {
  kernels<T>().rms_norm(detail::rows(x), weight.data(), T(epsilon), detail::rows(y));
}

/// dx += ...
template <class T>
void rms_norm_vjp(In<T> x, InVector<T> weight, double epsilon, In<T> dy, View<T> dx, View<T> d_weight_rows) {
  kernels<T>().rms_norm_vjp(detail::rows(x), weight.data(), T(epsilon), detail::rows(dy), detail::rows(dx),
                            detail::rows(d_weight_rows));
}

// --- the inner loss ------------------------------------------------------------------------------------------------

template <class T>
void reconstruction_gradient(In<T> Z, In<T> target, NormWeights<std::type_identity_t<T>> norm, InVector<T> rate,
                             View<T> G) {
  kernels<T>().reconstruction_gradient(detail::rows(Z), detail::rows(target), norm, T(layer_norm_epsilon), rate.data(),
                                       detail::rows(G));
}

template <class T>
void reconstruction_gradient_vjp(In<T> Z, In<T> target, NormWeights<std::type_identity_t<T>> norm, InVector<T> rate,
                                 In<T> dG, View<T> dZ, View<T> d_target, View<T, 1> d_rate, View<T> d_weight_rows,
                                 View<T> d_bias_rows) {
  kernels<T>().reconstruction_gradient_vjp(detail::rows(Z), detail::rows(target), norm, T(layer_norm_epsilon),
                                           rate.data(), detail::rows(dG), detail::rows(dZ), detail::rows(d_target),
                                           d_rate.data(), detail::rows(d_weight_rows), detail::rows(d_bias_rows));
}

// --- activations ---------------------------------------------------------------------------------------------------

template <class T>
void gelu(In<T> z, View<T> y) {
  kernels<T>().gelu(detail::rows(z), detail::rows(y));
}

/// dz += dy * gelu'(z)
template <class T>
void gelu_vjp(In<T> z, In<T> dy, View<T> dz) {
  kernels<T>().gelu_vjp(detail::rows(z), detail::rows(dy), detail::rows(dz));
}

/// y = gelu(z), slope = gelu'(z)
template <class T>
void gelu_and_slope(In<T> z, View<T> y, std::type_identity_t<View<T>> slope) {
  kernels<T>().gelu_and_slope(detail::rows(z), detail::rows(y), detail::rows(slope));
}

/// g = s * gelu'(z)
template <class T>
void gelu_gradient(In<T> z, In<T> s, View<T> g) {
  kernels<T>().gelu_gradient(detail::rows(z), detail::rows(s), detail::rows(g));
}

/// ds = dg * gelu'(z), dz += dg * s * gelu''(z)
template <class T>
void gelu_gradient_vjp(In<T> z, In<T> s, In<T> dg, View<T> ds, View<T> dz) {
  kernels<T>().gelu_gradient_vjp(detail::rows(z), detail::rows(s), detail::rows(dg), detail::rows(ds),
                                 detail::rows(dz));
}

/// y = a * gelu(g)
template <class T>
void gelu_gate(In<T> a, In<T> g, View<T> y) {
  kernels<T>().gelu_gate(detail::rows(a), detail::rows(g), detail::rows(y));
}

template <class T>
void gelu_gate_vjp(In<T> a, In<T> g, In<T> dy, View<T> da, View<T> dg) {
  kernels<T>().gelu_gate_vjp(detail::rows(a), detail::rows(g), detail::rows(dy), detail::rows(da), detail::rows(dg));
}

/// y = silu(g) * u
template <class T>
void silu_gate(In<T> g, In<T> u, View<T> y) {
  kernels<T>().silu_gate(detail::rows(g), detail::rows(u), detail::rows(y));
}

template <class T>
void silu_gate_vjp(In<T> g, In<T> u, In<T> dy, View<T> dg, View<T> du) {
  kernels<T>().silu_gate_vjp(detail::rows(g), detail::rows(u), detail::rows(dy), detail::rows(dg), detail::rows(du));
}

/// y = factor * sigmoid(a)
template <class T>
void sigmoid(In<T> a, std::type_identity_t<T> factor, View<T> y) {
  kernels<T>().sigmoid(detail::rows(a), factor, detail::rows(y));
}

template <class T>
void sigmoid_vjp(In<T> a, std::type_identity_t<T> factor, In<T> dy, View<T> da) {
  kernels<T>().sigmoid_vjp(detail::rows(a), factor, detail::rows(dy), detail::rows(da));
}

// --- rows ----------------------------------------------------------------------------------------------------------

/// Rotates neighbouring channels of row t, in every head, by the angles of table row (first + t) mod table.rows().
template <class T>
void rotate(In<T> table, Index first, bool inverse, View<T> x) {
  kernels<T>().rotate(detail::rows(table), first, inverse, detail::rows(x));
}

/// y_t = bias + sum_j weight_j * u_{t + j}
template <class T>
void convolve(In<T> u, In<T> weight, InVector<T> bias, View<T> y) {
  assert(u.rows() == y.rows() + weight.rows() - 1);
  kernels<T>().convolve(detail::rows(u), detail::rows(weight), bias.data(), detail::rows(y));
}

/// du_{t + j} += weight_j * dy_t
template <class T>
void convolve_vjp(In<T> weight, In<T> dy, View<T> du) {
  assert(du.rows() == dy.rows() + weight.rows() - 1);
  kernels<T>().convolve_vjp(detail::rows(weight), detail::rows(dy), detail::rows(du));
}

/// y = x
template <class T>
void copy(In<T> x, View<T> y) {
  assert(x.shape() == y.shape());
  kernels<T>().copy(detail::rows(x), detail::rows(y));
}

/// y += x
template <class T>
void add(In<T> x, View<T> y) {
  kernels<T>().add(detail::rows(x), detail::rows(y));
}

/// y = a - b
template <class T>
void subtract(In<T> a, In<T> b, View<T> y) {
  kernels<T>().subtract(detail::rows(a), detail::rows(b), detail::rows(y));
}

/// y = a * b, element by element
template <class T>
void multiply(In<T> a, In<T> b, View<T> y) {
  kernels<T>().multiply(detail::rows(a), detail::rows(b), detail::rows(y));
}

/// x *= factor
template <class T>
void scale(std::type_identity_t<T> factor, View<T> x) {
  kernels<T>().scale(factor, detail::rows(x));
}

/// loss_t = -log softmax(logits_t)[target_t], 0 where target_t < 0; logits_t become factor * (softmax - one_hot).
template <class T>
void cross_entropy(View<T> logits, View<const std::int32_t, 1> target, std::type_identity_t<T> factor,
                   std::type_identity_t<View<T, 1>> loss) {
  assert(target.size() == logits.rows() && loss.size() == logits.rows());
  kernels<T>().cross_entropy(detail::rows(logits), target.data(), factor, loss.data());
}

/// out_t = a_t . b_t
template <class T>
void dot(In<T> a, In<T> b, View<T, 1> out) {
  kernels<T>().dot(detail::rows(a), detail::rows(b), out.data());
}

}  // namespace ttt::ops
