// SPDX-License-Identifier: MIT
// exp and the logistic function of vectors, from fused multiply-adds only.
#pragma once

#include "kernels/vectors.hpp"

namespace ttt::ops {
namespace {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float shift = 0x1.8p23f;  // x + shift keeps the integer nearest to x in its low bits
  static constexpr float ln2_hi = 0x1.62e43p-1f;
  static constexpr float ln2_lo = -0x1.05c61p-29f;
  static constexpr float overflow = 0x1.62e43p6f;     // from here on exp(x) > the largest float
  static constexpr float underflow = -0x1.5d589ep6f;  // below this exp(x) < the smallest normal float
  // exp(r) = sum_k series[k] r^k, minimax in relative error: below 2^-27.9 for |r| <= ln(2) / 2.
  static constexpr float series[] = {
      1, 1, 0x1.fffffcp-2f, 0x1.555492p-3f, 0x1.5558f2p-5f, 0x1.1239e2p-7f, 0x1.6a2434p-10f};
};

template <>
struct ExpConstants<double> {
  static constexpr double shift = 0x1.8p52;
  static constexpr double ln2_hi = 0x1.62e42fefa39efp-1;
  static constexpr double ln2_lo = 0x1.abc9e3b39803fp-56;
  static constexpr double overflow = 0x1.62e42fefa39fp9;
  static constexpr double underflow = -0x1.6232bdd7abcd2p9;
  // 1 / k!, as r^14 / 14! < 2^-57.
  static constexpr double series[] = {
      1,         1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,
      1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
};

/// exp(x) = 2^n exp(r), n = round(x / ln 2), for x whose exp is a normal number. For any other, NaN too, it may be
/// anything.
template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> normal_exp(const Vectors<T, n>& x) {
  using V = Vectors<T, n>;
  using C = ExpConstants<T>;
  constexpr int degree = sizeof(C::series) / sizeof(T) - 1;
  const V shift = V::broadcast(C::shift);
  const V shifted = fma(x, V::broadcast(static_cast<T>(0x1.71547652b82fep0)), shift);  // 1 / ln 2
  const V power = shifted - shift;
  V r = fma(power, V::broadcast(-C::ln2_hi), x);  // exact: all bits of power ln2_hi and x that matter fit into r
  r = fma(power, V::broadcast(-C::ln2_lo), r);
  V p = V::broadcast(C::series[degree]);
#pragma GCC unroll 16
  for (int k = degree - 1; k >= 0; --k) p = fma(p, r, V::broadcast(C::series[k]));
  return V::scale_by_power(p, shifted);
}

/// exp of any x. Infinite where T overflows, 0 where the result is below the normal range.
template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> exp(const Vectors<T, n>& x) {
  using V = Vectors<T, n>;
  using C = ExpConstants<T>;
  const V infinite = x * V::broadcast(static_cast<T>(__builtin_inf()));  // NaN too
  const V y = V::if_greater(V::broadcast(C::overflow), x, normal_exp(x), infinite);
  return V::if_greater(V::broadcast(C::underflow), x, V::broadcast(0), y);
}

/// The logistic function, and 1 minus it, which must not be the difference of two numbers that round to 1.
template <class T, int n>
struct Logistic {
  Vectors<T, n> value, rest;
};

/// 1 / (1 + exp(-a)) for a given as e = exp(-a), which is finite.
template <class T, int n>
[[gnu::always_inline]] inline Logistic<T, n> logistic_of(const Vectors<T, n>& e) {
  using V = Vectors<T, n>;
  const V value = V::broadcast(1) / (V::broadcast(1) + e);
  return {value, e * value};
}

/// 1 / (1 + exp(-a)) for any a.
template <class T, int n>
[[gnu::always_inline]] inline Logistic<T, n> logistic(const Vectors<T, n>& a) {
  using V = Vectors<T, n>;
  const V e = exp(V::broadcast(0) - a);
  const auto [value, rest] = logistic_of(e);
  return {value, V::if_greater(value, V::broadcast(T(0.5)), rest, V::broadcast(1) - value)};  // e may be infinite
}

}  // namespace
}  // namespace ttt::ops
