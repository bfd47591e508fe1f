// SPDX-License-Identifier: MIT
// The kernels as functions on views, each `foo` with its `foo_vjp`. They run on the calling thread; what they compute
// and in which order of operations is said in kernels.hpp. T is deduced from what is written, so tensors and views of
// constants may be read. Shapes are asserted: they are checked where they come in, at the public calls.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "ttt/base/tensor.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::ops {

/// Epsilon of the layer norms inside the inner model and after the heads.
inline constexpr double layer_norm_epsilon = 1e-6;

template <class T>
using In = std::type_identity_t<View<const T>>;
template <class T>
using InVector = std::type_identity_t<View<const T, 1>>;

template <class T>
Rows<T> to_rows(const View<T>& v) {
  return {v.data(), v.rows(), v.cols(), v.stride(0)};
}

/// A vector as one row.
template <class T>
Rows<T> to_row(const View<T, 1>& v) {
  return {v.data(), 1, v.size(), v.size()};
}

/// Whether all have one shape.
template <class First, class... Rest>
bool alike(const First& first, const Rest&... rest) {
  return ((first.shape() == rest.shape()) && ...);
}

// --- products ------------------------------------------------------------------------------------------------------

/// C = A B. [m, k] [k, n]
template <class T>
void matmul(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols());
  kernels<T>().matmul(to_rows(A), to_rows(B), nullptr, false, to_rows(C));
}

/// C = A B + bias on every row.
template <class T>
void matmul(In<T> A, In<T> B, InVector<T> bias, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols() && bias.size() == C.cols());
  kernels<T>().matmul(to_rows(A), to_rows(B), bias.data(), false, to_rows(C));
}

/// C += A B
template <class T>
void add_matmul(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.rows() && A.rows() == C.rows() && B.cols() == C.cols());
  kernels<T>().matmul(to_rows(A), to_rows(B), nullptr, true, to_rows(C));
}

/// C = A B^T. [m, k] [n, k]
template <class T>
void matmul_transposed(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.cols() && A.rows() == C.rows() && B.rows() == C.cols());
  kernels<T>().matmul_transposed(to_rows(A), to_rows(B), false, to_rows(C));
}

/// C += A B^T
template <class T>
void add_matmul_transposed(In<T> A, In<T> B, View<T> C) {
  assert(A.cols() == B.cols() && A.rows() == C.rows() && B.rows() == C.cols());
  kernels<T>().matmul_transposed(to_rows(A), to_rows(B), true, to_rows(C));
}

/// C += alpha A^T B. [r, m] [r, n]
template <class T>
void add_outer(std::type_identity_t<T> alpha, In<T> A, In<T> B, View<T> C) {
  assert(A.rows() == B.rows() && A.cols() == C.rows() && B.cols() == C.cols());
  kernels<T>().add_outer(alpha, to_rows(A), to_rows(B), to_rows(C));
}

/// sums += alpha times the sum of the rows of A.
template <class T>
void add_column_sums(std::type_identity_t<T> alpha, In<T> A, View<T, 1> sums) {
  assert(A.cols() == sums.size());
  static constexpr T one = 1;
  kernels<T>().add_outer(alpha, {&one, A.rows(), 1, 0}, to_rows(A), to_row(sums));
}

/// The dual form: Z_t = x_t W + b + sum_{s <= first + t} P_ts G_s with P_ts = -scale_t (x_t . X_s + bias_step). X and G
/// hold first + n rows; P [n, first + n] is scratch.
template <class T>
void apply_updated(In<T> x, In<T> W, InVector<T> b, In<T> X, In<T> G, InVector<T> scale,
                   std::type_identity_t<T> bias_step, Index first, std::type_identity_t<View<T>> P, View<T> Z) {
  assert(x.rows() == Z.rows() && x.cols() == W.rows() && W.cols() == Z.cols() && b.size() == Z.cols());
  assert(X.rows() == first + x.rows() && X.cols() == x.cols() && G.rows() == X.rows() && G.cols() == Z.cols());
  assert(scale.size() == x.rows() && P.rows() == x.rows() && P.cols() == X.rows());
  kernels<T>().apply_updated(to_rows(x), {to_rows(W), b.data(), to_rows(X), to_rows(G)}, scale.data(), bias_step, first,
                             to_rows(P), to_rows(Z));
}

/// The gradient step: W -= scale X^T G, b -= scale bias_step sum_s G_s. [r, m] [r, n]
template <class T>
void commit(std::type_identity_t<T> scale, std::type_identity_t<T> bias_step, In<T> X, In<T> G, View<T> W,
            std::type_identity_t<View<T, 1>> b) {
  assert(X.rows() == G.rows() && X.cols() == W.rows() && G.cols() == W.cols() && b.size() == W.cols());
  kernels<T>().commit(scale, bias_step, to_rows(X), to_rows(G), to_rows(W), b.data());
}

/// With x X^T in `P` and R = dZ G^T in `R`: dP_ts = -scale_t R_ts in place of R, the weights -scale_t (P_ts +
/// bias_step) in place of P, both 0 where s > first + t, and d_scale_t -= sum_s (P_ts + bias_step) R_ts.
template <class T>
void dual_form_vjp(InVector<T> scale, std::type_identity_t<T> bias_step, Index first, View<T> P, View<T> R,
                   View<T, 1> d_scale) {
  assert(alike(P, R) && scale.size() == P.rows() && alike(scale, d_scale) && P.cols() == first + P.rows());
  kernels<T>().dual_form_vjp(scale.data(), bias_step, first, to_rows(P), to_rows(R), d_scale.data());
}

// --- norms ---------------------------------------------------------------------------------------------------------

template <class T>
void layer_norm(In<T> x, NormWeights<std::type_identity_t<T>> norm, View<T> y) {
  assert(alike(x, y));
  kernels<T>().layer_norm(to_rows(x), norm, T(layer_norm_epsilon), {}, to_rows(y));
}

/// y = residual + LN(x)
template <class T>
void layer_norm(In<T> x, NormWeights<std::type_identity_t<T>> norm, In<T> residual, View<T> y) {
  assert(alike(x, residual, y));
  kernels<T>().layer_norm(to_rows(x), norm, T(layer_norm_epsilon), to_rows(residual), to_rows(y));
}

template <class T>
void layer_norm_vjp(In<T> x, NormWeights<std::type_identity_t<T>> norm, In<T> dy, View<T> dx, View<T> d_weight_rows) {
  assert(alike(x, dy, dx, d_weight_rows));
  kernels<T>().layer_norm_vjp(to_rows(x), norm, T(layer_norm_epsilon), to_rows(dy), to_rows(dx),
                              to_rows(d_weight_rows));
}

template <class T>
void rms_norm(In<T> x, InVector<T> weight, double epsilon, View<T> y) {
  assert(alike(x, y) && weight.size() == x.cols());
  kernels<T>().rms_norm(to_rows(x), weight.data(), T(epsilon), to_rows(y));
}

/// dx += ...
template <class T>
void rms_norm_vjp(In<T> x, InVector<T> weight, double epsilon, In<T> dy, View<T> dx, View<T> d_weight_rows) {
  assert(alike(x, dy, dx, d_weight_rows) && weight.size() == x.cols());
  kernels<T>().rms_norm_vjp(to_rows(x), weight.data(), T(epsilon), to_rows(dy), to_rows(dx), to_rows(d_weight_rows));
}

// --- the inner loss ------------------------------------------------------------------------------------------------

template <class T>
void reconstruction_gradient(In<T> Z, In<T> target, NormWeights<std::type_identity_t<T>> norm, InVector<T> rate,
                             View<T> G) {
  assert(alike(Z, target, G) && rate.size() == Z.rows());
  kernels<T>().reconstruction_gradient(to_rows(Z), to_rows(target), norm, T(layer_norm_epsilon), rate.data(),
                                       to_rows(G));
}

template <class T>
void reconstruction_gradient_vjp(In<T> Z, In<T> target, NormWeights<std::type_identity_t<T>> norm, InVector<T> rate,
                                 In<T> dG, View<T> dZ, View<T> d_target, View<T, 1> d_rate, View<T> d_weight_rows,
                                 View<T> d_bias_rows) {
  assert(alike(Z, target, dG, dZ, d_target, d_weight_rows, d_bias_rows) && alike(rate, d_rate) &&
         rate.size() == Z.rows());
  kernels<T>().reconstruction_gradient_vjp(to_rows(Z), to_rows(target), norm, T(layer_norm_epsilon), rate.data(),
                                           to_rows(dG), to_rows(dZ), to_rows(d_target), d_rate.data(),
                                           to_rows(d_weight_rows), to_rows(d_bias_rows));
}

// --- activations ---------------------------------------------------------------------------------------------------

template <class T>
void gelu(In<T> z, View<T> y) {
  assert(alike(z, y));
  kernels<T>().gelu(to_rows(z), to_rows(y));
}

/// dz += dy * gelu'(z)
template <class T>
void gelu_vjp(In<T> z, In<T> dy, View<T> dz) {
  assert(alike(z, dy, dz));
  kernels<T>().gelu_vjp(to_rows(z), to_rows(dy), to_rows(dz));
}

/// y = gelu(z), slope = gelu'(z)
template <class T>
void gelu_and_slope(In<T> z, View<T> y, std::type_identity_t<View<T>> slope) {
  assert(alike(z, y, slope));
  kernels<T>().gelu_and_slope(to_rows(z), to_rows(y), to_rows(slope));
}

/// g = s * gelu'(z)
template <class T>
void gelu_gradient(In<T> z, In<T> s, View<T> g) {
  assert(alike(z, s, g));
  kernels<T>().gelu_gradient(to_rows(z), to_rows(s), to_rows(g));
}

/// ds = dg * gelu'(z), dz += dg * s * gelu''(z)
template <class T>
void gelu_gradient_vjp(In<T> z, In<T> s, In<T> dg, View<T> ds, View<T> dz) {
  assert(alike(z, s, dg, ds, dz));
  kernels<T>().gelu_gradient_vjp(to_rows(z), to_rows(s), to_rows(dg), to_rows(ds), to_rows(dz));
}

/// y = a * gelu(g)
template <class T>
void gelu_gate(In<T> a, In<T> g, View<T> y) {
  assert(alike(a, g, y));
  kernels<T>().gelu_gate(to_rows(a), to_rows(g), to_rows(y));
}

template <class T>
void gelu_gate_vjp(In<T> a, In<T> g, In<T> dy, View<T> da, View<T> dg) {
  assert(alike(a, g, dy, da, dg));
  kernels<T>().gelu_gate_vjp(to_rows(a), to_rows(g), to_rows(dy), to_rows(da), to_rows(dg));
}

/// y = silu(g) * u
template <class T>
void silu_gate(In<T> g, In<T> u, View<T> y) {
  assert(alike(g, u, y));
  kernels<T>().silu_gate(to_rows(g), to_rows(u), to_rows(y));
}

template <class T>
void silu_gate_vjp(In<T> g, In<T> u, In<T> dy, View<T> dg, View<T> du) {
  assert(alike(g, u, dy, dg, du));
  kernels<T>().silu_gate_vjp(to_rows(g), to_rows(u), to_rows(dy), to_rows(dg), to_rows(du));
}

/// y = factor * sigmoid(a)
template <class T>
void sigmoid(In<T> a, std::type_identity_t<T> factor, View<T> y) {
  assert(alike(a, y));
  kernels<T>().sigmoid(to_rows(a), factor, to_rows(y));
}

template <class T>
void sigmoid_vjp(In<T> a, std::type_identity_t<T> factor, In<T> dy, View<T> da) {
  assert(alike(a, dy, da));
  kernels<T>().sigmoid_vjp(to_rows(a), factor, to_rows(dy), to_rows(da));
}

// --- rows ----------------------------------------------------------------------------------------------------------

/// Rotates neighbouring channels of row t, in every head, by the angles of table row (first + t) mod table.rows().
template <class T>
void rotate(In<T> table, Index first, bool inverse, View<T> x) {
  assert(first >= 0 && table.rows() > 0 && x.cols() % (table.cols() / 2) == 0);
  kernels<T>().rotate(to_rows(table), first, inverse, to_rows(x));
}

/// Rotates channels j and j + D/2 of row t, in every head, by the angles of table row t: D/2 cosines, then D/2 sines.
template <class T>
void rotate_halves(In<T> table, bool inverse, View<T> x) {
  assert(table.rows() == x.rows() && x.cols() % table.cols() == 0);
  kernels<T>().rotate_halves(to_rows(table), inverse, to_rows(x));
}

/// y_t = bias + sum_j weight_j * u_{t + j}
template <class T>
void convolve(In<T> u, In<T> weight, InVector<T> bias, View<T> y) {
  assert(u.rows() == y.rows() + weight.rows() - 1);
  assert(u.cols() == y.cols() && weight.cols() == y.cols() && bias.size() == y.cols());
  kernels<T>().convolve(to_rows(u), to_rows(weight), bias.data(), to_rows(y));
}

/// du_{t + j} += weight_j * dy_t
template <class T>
void convolve_vjp(In<T> weight, In<T> dy, View<T> du) {
  assert(du.rows() == dy.rows() + weight.rows() - 1 && du.cols() == dy.cols() && weight.cols() == dy.cols());
  kernels<T>().convolve_vjp(to_rows(weight), to_rows(dy), to_rows(du));
}

/// y = x
template <class T>
void copy(In<T> x, View<T> y) {
  assert(alike(x, y));
  kernels<T>().copy(to_rows(x), to_rows(y));
}

/// y += x
template <class T>
void add(In<T> x, View<T> y) {
  assert(alike(x, y));
  kernels<T>().add(to_rows(x), to_rows(y));
}

/// y = a - b
template <class T>
void subtract(In<T> a, In<T> b, View<T> y) {
  assert(alike(a, b, y));
  kernels<T>().subtract(to_rows(a), to_rows(b), to_rows(y));
}

/// y = a * b, element by element
template <class T>
void multiply(In<T> a, In<T> b, View<T> y) {
  assert(alike(a, b, y));
  kernels<T>().multiply(to_rows(a), to_rows(b), to_rows(y));
}

/// x *= factor
template <class T>
void scale(std::type_identity_t<T> factor, View<T> x) {
  kernels<T>().scale(factor, to_rows(x));
}

// --- softmax attention over one page of keys, of which row t counts begin + t <= s < end + t ------------------------

/// Scores S_ts become exp(S_ts - most_t), with most_t the largest so far, which is updated; their sum is added to
/// total_t. What total_t and O_t hold is first multiplied by how much the old maximum was too small.
template <class T>
void softmax_step(Index begin, Index end, View<T> S, std::type_identity_t<View<T, 1>> most,
                  std::type_identity_t<View<T, 1>> total, std::type_identity_t<View<T>> O) {
  assert(most.size() == S.rows() && total.size() == S.rows() && O.rows() == S.rows());
  kernels<T>().softmax_step(begin, end, to_rows(S), most.data(), total.data(), to_rows(O));
}

/// O_t += sum_s P_ts V_s. [n, keys] [keys, d]
template <class T>
void add_band_matmul(In<T> P, In<T> V, Index begin, Index end, View<T> O) {
  assert(P.cols() == V.rows() && P.rows() == O.rows() && V.cols() == O.cols());
  kernels<T>().add_band_matmul(to_rows(P), to_rows(V), begin, end, to_rows(O));
}

/// Scores S_ts become P_ts = exp(S_ts - most_t) / total_t, and dP_ts becomes dS_ts = P_ts (dP_ts - delta_t); both are 0
/// where row t does not count s.
template <class T>
void softmax_vjp(Index begin, Index end, InVector<T> most, InVector<T> total, InVector<T> delta, View<T> S,
                 std::type_identity_t<View<T>> dP) {
  assert(S.shape() == dP.shape() && most.size() == S.rows() && total.size() == S.rows() && delta.size() == S.rows());
  kernels<T>().softmax_vjp(begin, end, most.data(), total.data(), delta.data(), to_rows(S), to_rows(dP));
}

/// x_t /= divisor_t
template <class T>
void divide_rows(InVector<T> divisor, View<T> x) {
  assert(divisor.size() == x.rows());
  kernels<T>().divide_rows(divisor.data(), to_rows(x));
}

// --- loss ----------------------------------------------------------------------------------------------------------

/// loss_t = -log softmax(logits_t)[target_t], 0 where target_t < 0; logits_t become factor * (softmax - one_hot).
template <class T>
void cross_entropy(View<T> logits, View<const std::int32_t, 1> target, std::type_identity_t<T> factor,
                   std::type_identity_t<View<T, 1>> loss) {
  assert(target.size() == logits.rows() && loss.size() == logits.rows());
  assert(std::all_of(target.begin(), target.end(), [&](std::int32_t v) { return v < logits.cols(); }));
  kernels<T>().cross_entropy(to_rows(logits), target.data(), factor, loss.data());
}

/// out_t = a_t . b_t
template <class T>
void dot(In<T> a, In<T> b, View<T, 1> out) {
  assert(alike(a, b) && out.size() == a.rows());
  kernels<T>().dot(to_rows(a), to_rows(b), out.data());
}

}  // namespace ttt::ops
