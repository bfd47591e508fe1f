// SPDX-License-Identifier: MIT
// The machine: one table of kernels for each instruction set, all giving the same bits.
//
// Contract of every kernel.
//  - A row of the result is computed by the same sequence of operations however many rows the call has.
//  - A sum over k in `matmul`, `matmul_transposed`, `project` and `add_project_vjp` runs from first to last with fused
//    multiply-add and starts from C, the bias or 0; so do the sums over k and then s in `apply_updated`.
//  - A sum across a row (x_t . X_s in `apply_updated`, norms, losses) puts element j into virtual lane j mod (64 /
//    sizeof(T)), in order of j, and adds the lanes in one fixed tree: lane i takes lane i + 8, then + 4, + 2, + 1
//    (float).
//  - A sum over rows (`add_outer`, `add_weight_vjp`) is cut every 128 rows. A piece is summed with fused multiply-add,
//    and one piece after the other is added to C.
//  - `sum_squares` is cut too, and adds its pieces in a binary tree.
//  - exp is one polynomial in fused multiply-adds. Nothing of libm is used but sqrt and fma.
// So scalar, AVX2, AVX-512 and NEON tables agree to the last bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ttt/export.hpp"

namespace ttt {

/// An instruction set that kernels are compiled for.
enum class Isa { scalar, avx2, avx512, neon };

/// Whether this build has the instruction set and this machine can run it; `set_isa` throws Error where it does not.
TTT_EXPORT bool supported(Isa isa);
TTT_EXPORT Isa active_isa();
TTT_EXPORT void set_isa(Isa isa);
/// As in TTT_ISA.
TTT_EXPORT const char* name(Isa isa);

/// How the weights of a dense layer are stored. Products take their exact values, whatever the format.
enum class WeightFormat {
  full,  // T
  bf16,  // the upper half of a float
  q8     // 8-bit integers, and one bf16 factor for every 32 inputs of an output
};

TTT_EXPORT const char* name(WeightFormat format);

namespace ops {

/// Rows of a matrix: row i begins at data + i * stride. A plain struct, as kernel sources may share no inline function.
template <class T>
struct Rows {
  T* data;
  std::ptrdiff_t rows, cols, stride;
};

/// Per-row weight and bias of a layer norm. A null weight means: no norm, the identity.
template <class T>
struct NormWeights {
  const T* weight;
  const T* bias;
};

/// The weights W [outputs, inputs] of a dense layer, as they lie in memory: 256 / sizeof(T) outputs make a panel, which
/// holds them input by input; the last panel is only as wide as it needs to be, in whole vectors of 64 bytes. In q8 the
/// factors of every 32 inputs follow their integers.
template <class T>
struct Panels {
  const void* data;
  std::ptrdiff_t outputs, inputs;
  WeightFormat format;
};

/// An affine map [k, n] in the middle of a mini-batch: its weights, the inputs X [open, k] of all open rows and their
/// weighted gradients G [open, n].
template <class T>
struct OpenAffine {
  Rows<const T> W;
  const T* b;
  Rows<const T> X, G;
};

/// One update of AdamW: p <- (1 - rate weight_decay) p - rate m_hat / (sqrt(v_hat) + epsilon).
struct AdamwStep {
  double rate, beta1, beta2, epsilon, weight_decay;
  double correction1, correction2;  // 1 - beta1^(n+1), 1 - beta2^(n+1)
  double gradient_factor;           // what clipping multiplies the gradient with
};

/// Structs of more than two numbers are passed by reference. A copy on the stack would be read in wider pieces than it
/// was written in; store forwarding fails then, and the read waits until the writes have reached the cache.
template <class T>
struct Kernels {
  using In = const Rows<const T>&;
  using Out = const Rows<T>&;
  using Size = std::ptrdiff_t;

  Isa isa;

  // --- products -----------------------------------------------------------------------------------------------------
  /// C = A B (+ bias on every row; null: none), or C += A B with `accumulate` (then bias is null). [m, k] [k, n]
  void (*matmul)(In A, In B, const T* bias, bool accumulate, Out C);
  /// C = A B^T, or C += A B^T with `accumulate`. [m, k] [n, k]
  void (*matmul_transposed)(In A, In B, bool accumulate, Out C);
  /// C += alpha A^T B. [r, m] [r, n]. A stride of 0 repeats one row.
  void (*add_outer)(T alpha, In A, In B, Out C);
  /// y = x W^T. [m, in] [out, in]
  void (*project)(In x, const Panels<T>& W, Out y);
  /// dx += dy W for inputs first, first + 1, ... of W, as many as dx has columns. Full format.
  void (*add_project_vjp)(In dy, const Panels<T>& W, Size first, Out dx);
  /// dW += dy^T x. x holds inputs first, first + 1, ... of `inputs`; dW points to panels in full format, all whole but
  /// the weight's last, of as many outputs as dy has columns. The sum over rows is cut as in `add_outer`.
  void (*add_weight_vjp)(In x, In dy, Size first, Size inputs, T* dW);
  /// The dual form: Z_t = x_t W + b + sum_{s <= first + t} P_ts G_s with P_ts = -scale_t (x_t . X_s + bias_step).
  /// x: [n, k], first + n rows are open; P: [n, first + n], scratch.
  void (*apply_updated)(In x, const OpenAffine<T>& map, const T* scale, T bias_step, Size first, Out P, Out Z);
  /// The gradient step: W -= scale X^T G as add_outer does it, b -= scale bias_step sum_s G_s. [r, m] [r, n]
  void (*commit)(T scale, T bias_step, In X, In G, Out W, T* b);
  /// With P_ts = x_t . X_s and R_ts = dZ_t . G_s: d_scale_t -= sum_{s <= first + t} (P_ts + bias_step) R_ts (in lanes),
  /// then R_ts <- -scale_t R_ts (which is dP) and P_ts <- -scale_t (P_ts + bias_step), both 0 where s > first + t.
  void (*dual_form_vjp)(const T* scale, T bias_step, Size first, Out P, Out R, T* d_scale);

  // --- norms (variance with divisor cols) ---------------------------------------------------------------------------
  /// y = LN(x), or residual + LN(x) where residual.data is not null.
  void (*layer_norm)(In x, NormWeights<T> norm, T epsilon, In residual, Out y);
  /// dx = ..., d_weight_rows = dy * x_hat (row by row, to be summed by the caller; dbias rows are dy itself).
  void (*layer_norm_vjp)(In x, NormWeights<T> norm, T epsilon, In dy, Out dx, Out d_weight_rows);
  void (*rms_norm)(In x, const T* weight, T epsilon, Out y);
  /// dx += ..., d_weight_rows = dy * x / rms.
  void (*rms_norm_vjp)(In x, const T* weight, T epsilon, In dy, Out dx, Out d_weight_rows);

  // --- the inner loss -----------------------------------------------------------------------------------------------
  /// G_t = rate_t d/dZ_t of 1/2 |LN(Z_t) - target_t|^2. See inner/README.md, The inner loss.
  void (*reconstruction_gradient)(In Z, In target, NormWeights<T> norm, T epsilon, const T* rate, Out G);
  /// Given dG: dZ, d_target, d_rate [n] and rows of d_weight and d_bias, all overwritten. See inner/README.md.
  void (*reconstruction_gradient_vjp)(In Z, In target, NormWeights<T> norm, T epsilon, const T* rate, In dG, Out dZ,
                                      Out d_target, T* d_rate, Out d_weight_rows, Out d_bias_rows);

  // --- activations (GELU in its tanh form) --------------------------------------------------------------------------
  void (*gelu)(In z, Out y);
  /// dz += dy * gelu'(z)
  void (*gelu_vjp)(In z, In dy, Out dz);
  /// y = gelu(z) and slope = gelu'(z), the latter as in gelu_gradient.
  void (*gelu_and_slope)(In z, Out y, Out slope);
  /// g = s * gelu'(z), with the truncated constants of the official implementation.
  void (*gelu_gradient)(In z, In s, Out g);
  /// ds = dg * gelu'(z), dz += dg * s * gelu''(z)
  void (*gelu_gradient_vjp)(In z, In s, In dg, Out ds, Out dz);
  /// y = a * gelu(g)
  void (*gelu_gate)(In a, In g, Out y);
  void (*gelu_gate_vjp)(In a, In g, In dy, Out da, Out dg);
  /// y = silu(g) * u
  void (*silu_gate)(In g, In u, Out y);
  void (*silu_gate_vjp)(In g, In u, In dy, Out dg, Out du);
  /// rate = factor * sigmoid(a)
  void (*sigmoid)(In a, T factor, Out rate);
  /// da = d_rate * factor * sigmoid(a) * (1 - sigmoid(a))
  void (*sigmoid_vjp)(In a, T factor, In d_rate, Out da);

  // --- rows ---------------------------------------------------------------------------------------------------------
  /// Rotates neighbouring channels of row t by the angles of table row (first + t) mod table.rows, in every head.
  /// table: [b, 2 D], cosines of the D channels (each twice), then sines signed (-sin, +sin). `inverse` turns back.
  void (*rotate)(In table, Size first, bool inverse, Out x);
  /// Rotates channels j and j + D/2 of row t, in every head, by the angles of table row t: D/2 cosines, then D/2 sines.
  void (*rotate_halves)(In table, bool inverse, Out x);
  /// y_t = bias + sum_j weight_j * u_{t + j}. u: [n + k - 1, C], weight: [k, C], y: [n, C]
  void (*convolve)(In u, In weight, const T* bias, Out y);
  /// du_{t + j} += weight_j * dy_t
  void (*convolve_vjp)(In weight, In dy, Out du);
  /// y = x,  y += x,  y = a - b,  y = a * b,  x *= factor
  void (*copy)(In x, Out y);
  void (*add)(In x, Out y);
  void (*subtract)(In a, In b, Out y);
  void (*multiply)(In a, In b, Out y);
  void (*scale)(T factor, Out x);
  /// out_t = a_t . b_t
  void (*dot)(In a, In b, T* out);

  // --- softmax attention over one page of keys, of which row t sees begin + t <= s < end + t -------------------------
  /// Scores S_ts become exp(S_ts - most_t), with most_t the largest so far, which is updated. Their sum is added to
  /// total_t. What total_t and O_t [n, d] hold is first multiplied by how much the old maximum was too small.
  void (*softmax_step)(Size begin, Size end, Out S, T* most, T* total, Out O);
  /// O_t += sum_s P_ts V_s, from the first s to the last with fused multiply-add. [n, keys] [keys, d]
  void (*add_band_matmul)(In P, In V, Size begin, Size end, Out O);
  /// Scores S_ts become P_ts = exp(S_ts - most_t) / total_t, and dP_ts becomes dS_ts = P_ts (dP_ts - delta_t); both are
  /// 0 where row t does not see s.
  void (*softmax_vjp)(Size begin, Size end, const T* most, const T* total, const T* delta, Out S, Out dP);
  /// x_t /= divisor_t
  void (*divide_rows)(const T* divisor, Out x);

  // --- loss and optimizer -------------------------------------------------------------------------------------------
  /// loss_t = log sum_v exp(logit_tv) - logit_t,target; logits become factor * (softmax - one_hot).
  /// A negative target gives loss 0 and a zero row.
  void (*cross_entropy)(Out logits, const std::int32_t* target, T factor, T* loss);
  /// Sum of squares of n elements, added in double.
  double (*sum_squares)(const T* x, Size n);
  void (*adamw)(const AdamwStep& step, Size n, const T* gradient, T* p, T* m, T* v);
};

/// The table in use. Chosen once: the best that this machine has, or what the environment variable TTT_ISA names.
template <class T>
TTT_EXPORT const Kernels<T>& kernels();

}  // namespace ops

}  // namespace ttt
