// SPDX-License-Identifier: MIT
// Every kernel that works on rows, with operands of any shape and a call on some of the rows: for the laws that hold
// for all of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/testing.hpp"

namespace ttt::testing {

template <class T>
using Operands = std::vector<Matrix<T>>;

template <class T>
struct KernelCase {
  std::string name;
  std::function<Operands<T>(Index rows, Index cols, Rng& rng)> make;
  /// Computes rows first ... first + n - 1 of the results.
  std::function<void(const ops::Kernels<T>& k, Operands<T>& m, Index first, Index n)> run;
};

/// `same` operands of [rows, cols], then `wide` of [1, cols], then `tall` of [1, rows].
template <class T>
auto operands(int same, int wide = 0, int tall = 0) {
  return [=](Index rows, Index cols, Rng& rng) {
    Operands<T> m;
    for (int i = 0; i < same; ++i) m.emplace_back(rows, cols, rng);
    for (int i = 0; i < wide; ++i) m.emplace_back(1, cols, rng);
    for (int i = 0; i < tall; ++i) m.emplace_back(1, rows, rng);
    return m;
  };
}

template <class T>
std::vector<KernelCase<T>> product_cases() {
  using K = const ops::Kernels<T>&;
  using M = Operands<T>&;
  constexpr Index earlier = 5;  // rows of the mini-batch before those of the causal kernels
  const auto matmul = [](Index rows, Index cols, Rng& rng) {
    return Operands<T>{{rows, cols, rng}, {cols, cols + 5, rng}, {1, cols + 5, rng}, {rows, cols + 5, rng}};
  };
  const auto transposed = [](Index rows, Index cols, Rng& rng) {
    return Operands<T>{{rows, cols, rng}, {cols + 3, cols, rng}, {rows, cols + 3, rng}};
  };
  const auto transposed_square = [](Index rows, Index cols, Rng& rng) {
    return Operands<T>{{rows, cols, rng}, {cols, cols, rng}, {rows, cols, rng}};
  };
  const auto outer = [](Index pieces) {
    return [=](Index rows, Index cols, Rng& rng) {
      const Index r = pieces == 0 ? rows : 128 * (pieces - 1) + 1 + cols % 64;
      return Operands<T>{{r, rows, rng}, {r, cols, rng}, {rows, cols, rng}};
    };
  };
  const auto run_outer = [](K k, M m, Index i, Index n) {
    k.add_outer(T(-0.7), m[0].in_columns(i, n), m[1].in(), m[2].out(i, n));
  };
  const auto causal = [](Index rows, Index cols, Rng& rng) {
    const Index out = cols + 5, open = rows + earlier;
    return Operands<T>{{rows, cols, rng}, {cols, out, rng}, {1, out, rng},   {open, cols, rng},
                       {open, out, rng},  {1, rows, rng},   {rows, out, rng}};
  };
  const auto run_causal = [](K k, M m, Index i, Index n) {
    const Index seen = earlier + i + n;
    std::vector<T> steps(static_cast<std::size_t>(n * seen));
    k.apply_updated(m[0].in(i, n), {m[1].in(), m[2].row(0), m[3].in(0, seen), m[4].in(0, seen)}, m[5].row(0) + i, T(1),
                    earlier + i, {steps.data(), n, seen, seen}, m[6].out(i, n));
  };
  const auto causal_vjp = [](Index rows, Index, Rng& rng) {
    return Operands<T>{{rows, rows + earlier, rng}, {rows, rows + earlier, rng}, {1, rows, rng}, {1, rows, rng}};
  };
  return {
      {"matmul", matmul,
       [](K k, M m, Index i, Index n) { k.matmul(m[0].in(i, n), m[1].in(), m[2].row(0), false, m[3].out(i, n)); }},
      {"matmul, no bias", matmul,
       [](K k, M m, Index i, Index n) { k.matmul(m[0].in(i, n), m[1].in(), nullptr, false, m[3].out(i, n)); }},
      {"matmul, accumulate", matmul,
       [](K k, M m, Index i, Index n) { k.matmul(m[0].in(i, n), m[1].in(), nullptr, true, m[3].out(i, n)); }},
      {"matmul_transposed", transposed,
       [](K k, M m, Index i, Index n) { k.matmul_transposed(m[0].in(i, n), m[1].in(), false, m[2].out(i, n)); }},
      {"matmul_transposed, accumulate", transposed,
       [](K k, M m, Index i, Index n) { k.matmul_transposed(m[0].in(i, n), m[1].in(), true, m[2].out(i, n)); }},
      {"matmul_transposed, whole vectors", transposed_square,
       [](K k, M m, Index i, Index n) { k.matmul_transposed(m[0].in(i, n), m[1].in(), true, m[2].out(i, n)); }},
      {"matmul_transposed, one column", operands<T>(1, 1, 1),
       [](K k, M m, Index i, Index n) {
         k.matmul_transposed(m[0].in(i, n), m[1].in(), true, {m[2].row(0) + i, n, 1, 1});
       }},
      {"add_outer, short", outer(0), run_outer},
      {"add_outer, 2 pieces", outer(2), run_outer},
      {"add_outer, 9 pieces", outer(9), run_outer},
      {"apply_updated", causal, run_causal},
      {"dual_form_vjp", causal_vjp,
       [](K k, M m, Index i, Index n) {
         k.dual_form_vjp(m[2].row(0) + i, T(1), earlier + i, m[0].out(i, n), m[1].out(i, n), m[3].row(0) + i);
       }},
  };
}

template <class T>
std::vector<KernelCase<T>> norm_cases() {
  using K = const ops::Kernels<T>&;
  using M = Operands<T>&;
  constexpr T eps = T(1e-6);
  const auto vjp = [](bool norm) {
    return [=](K k, M m, Index i, Index n) {
      const ops::NormWeights<T> weights = norm ? ops::NormWeights<T>{m[7].row(0), m[8].row(0)} : ops::NormWeights<T>{};
      k.reconstruction_gradient_vjp(m[0].in(i, n), m[1].in(i, n), weights, eps, m[9].row(0) + i, m[2].in(i, n),
                                    m[3].out(i, n), m[4].out(i, n), m[10].row(0) + i, m[5].out(i, n), m[6].out(i, n));
    };
  };
  return {
      {"layer_norm", operands<T>(2, 2),
       [](K k, M m, Index i, Index n) {
         k.layer_norm(m[0].in(i, n), {m[2].row(0), m[3].row(0)}, eps, {}, m[1].out(i, n));
       }},
      {"layer_norm, none", operands<T>(2),
       [](K k, M m, Index i, Index n) { k.layer_norm(m[0].in(i, n), {}, eps, {}, m[1].out(i, n)); }},
      {"layer_norm, residual", operands<T>(3, 2),
       [](K k, M m, Index i, Index n) {
         k.layer_norm(m[0].in(i, n), {m[3].row(0), m[4].row(0)}, eps, m[1].in(i, n), m[2].out(i, n));
       }},
      {"layer_norm, residual, none", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.layer_norm(m[0].in(i, n), {}, eps, m[1].in(i, n), m[2].out(i, n)); }},
      {"layer_norm_vjp", operands<T>(4, 2),
       [](K k, M m, Index i, Index n) {
         k.layer_norm_vjp(m[0].in(i, n), {m[4].row(0), m[5].row(0)}, eps, m[1].in(i, n), m[2].out(i, n),
                          m[3].out(i, n));
       }},
      {"layer_norm_vjp, none", operands<T>(4),
       [](K k, M m, Index i, Index n) {
         k.layer_norm_vjp(m[0].in(i, n), {}, eps, m[1].in(i, n), m[2].out(i, n), m[3].out(i, n));
       }},
      {"rms_norm", operands<T>(2, 1),
       [](K k, M m, Index i, Index n) { k.rms_norm(m[0].in(i, n), m[2].row(0), eps, m[1].out(i, n)); }},
      {"rms_norm_vjp", operands<T>(4, 1),
       [](K k, M m, Index i, Index n) {
         k.rms_norm_vjp(m[0].in(i, n), m[4].row(0), eps, m[1].in(i, n), m[2].out(i, n), m[3].out(i, n));
       }},
      {"reconstruction_gradient", operands<T>(3, 2, 1),
       [](K k, M m, Index i, Index n) {
         k.reconstruction_gradient(m[0].in(i, n), m[1].in(i, n), {m[3].row(0), m[4].row(0)}, eps, m[5].row(0) + i,
                                   m[2].out(i, n));
       }},
      {"reconstruction_gradient, none", operands<T>(3, 0, 1),
       [](K k, M m, Index i, Index n) {
         k.reconstruction_gradient(m[0].in(i, n), m[1].in(i, n), {}, eps, m[3].row(0) + i, m[2].out(i, n));
       }},
      {"reconstruction_gradient_vjp", operands<T>(7, 2, 2), vjp(true)},
      {"reconstruction_gradient_vjp, none", operands<T>(7, 2, 2), vjp(false)},
  };
}

template <class T>
std::vector<KernelCase<T>> activation_cases() {
  using K = const ops::Kernels<T>&;
  using M = Operands<T>&;
  return {
      {"gelu", operands<T>(2), [](K k, M m, Index i, Index n) { k.gelu(m[0].in(i, n), m[1].out(i, n)); }},
      {"gelu_vjp", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.gelu_vjp(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"gelu_and_slope", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.gelu_and_slope(m[0].in(i, n), m[1].out(i, n), m[2].out(i, n)); }},
      {"gelu_gradient", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.gelu_gradient(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"gelu_gradient_vjp", operands<T>(5),
       [](K k, M m, Index i, Index n) {
         k.gelu_gradient_vjp(m[0].in(i, n), m[1].in(i, n), m[2].in(i, n), m[3].out(i, n), m[4].out(i, n));
       }},
      {"gelu_gate", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.gelu_gate(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"gelu_gate_vjp", operands<T>(5),
       [](K k, M m, Index i, Index n) {
         k.gelu_gate_vjp(m[0].in(i, n), m[1].in(i, n), m[2].in(i, n), m[3].out(i, n), m[4].out(i, n));
       }},
      {"silu_gate", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.silu_gate(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"silu_gate_vjp", operands<T>(5),
       [](K k, M m, Index i, Index n) {
         k.silu_gate_vjp(m[0].in(i, n), m[1].in(i, n), m[2].in(i, n), m[3].out(i, n), m[4].out(i, n));
       }},
      {"sigmoid", operands<T>(2), [](K k, M m, Index i, Index n) { k.sigmoid(m[0].in(i, n), T(0.3), m[1].out(i, n)); }},
      {"sigmoid_vjp", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.sigmoid_vjp(m[0].in(i, n), T(0.3), m[1].in(i, n), m[2].out(i, n)); }},
  };
}

template <class T>
std::vector<KernelCase<T>> row_cases() {
  using K = const ops::Kernels<T>&;
  using M = Operands<T>&;
  constexpr Index taps = 4;
  const auto rotate = [](Index rows, Index cols, Rng& rng) {  // two heads of 2 cols channels
    return Operands<T>{{7, 4 * cols, rng}, {rows, 4 * cols, rng}};
  };
  const auto run_rotate = [](bool inverse) {
    return [=](K k, M m, Index i, Index n) { k.rotate(m[0].in(), 3 + i, inverse, m[1].out(i, n)); };
  };
  const auto convolve = [](Index rows, Index cols, Rng& rng) {
    return Operands<T>{{rows + taps - 1, cols, rng}, {taps, cols, rng}, {1, cols, rng}, {rows, cols, rng}};
  };
  return {
      {"rotate", rotate, run_rotate(false)},
      {"rotate, inverse", rotate, run_rotate(true)},
      {"convolve", convolve,
       [](K k, M m, Index i, Index n) {
         k.convolve(m[0].in(i, n + taps - 1), m[1].in(), m[2].row(0), m[3].out(i, n));
       }},
      {"convolve_vjp", convolve,
       [](K k, M m, Index i, Index n) { k.convolve_vjp(m[1].in(), m[3].in(i, n), m[0].out(i, n + taps - 1)); }},
      {"add", operands<T>(2), [](K k, M m, Index i, Index n) { k.add(m[0].in(i, n), m[1].out(i, n)); }},
      {"subtract", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.subtract(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"multiply", operands<T>(3),
       [](K k, M m, Index i, Index n) { k.multiply(m[0].in(i, n), m[1].in(i, n), m[2].out(i, n)); }},
      {"scale", operands<T>(1), [](K k, M m, Index i, Index n) { k.scale(T(1.7), m[0].out(i, n)); }},
      {"dot", operands<T>(2, 0, 1),
       [](K k, M m, Index i, Index n) { k.dot(m[0].in(i, n), m[1].in(i, n), m[2].row(0) + i); }},
      {"cross_entropy", operands<T>(1, 0, 1),
       [](K k, M m, Index i, Index n) {
         std::vector<std::int32_t> target;
         for (Index t = i; t < i + n; ++t) {
           target.push_back(t % 3 == 2 ? -1 : static_cast<std::int32_t>(7 * t % m[0].cols));
         }
         k.cross_entropy(m[0].out(i, n), target.data(), T(0.2), m[1].row(0) + i);
       }},
  };
}

template <class T>
std::vector<KernelCase<T>> all_cases() {
  std::vector<KernelCase<T>> all;
  for (const auto& some : {product_cases<T>(), norm_cases<T>(), activation_cases<T>(), row_cases<T>()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace ttt::testing
