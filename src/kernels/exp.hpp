// SPDX-License-Identifier: MIT
// exp and the logistic function of vectors, from fused multiply-adds only.
#pragma once

#include "kernels/vectors.hpp"

namespace ttt {
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
  static constexpr int degree = 7;                    // r^8 / 8! < 2^-27 for |r| <= ln(2) / 2
};

template <>
struct ExpConstants<double> {
  static constexpr double shift = 0x1.8p52;
  static constexpr double ln2_hi = 0x1.62e42fefa39efp-1;
  static constexpr double ln2_lo = 0x1.abc9e3b39803fp-56;
  static constexpr double overflow = 0x1.62e42fefa39fp9;
  static constexpr double underflow = -0x1.6232bdd7abcd2p9;
  static constexpr int degree = 13;  // r^14 / 14! < 2^-57
};

/// Coefficients of exp: 1 / k!
template <class T>
struct ExpSeries {
  T at[ExpConstants<T>::degree + 1];
};

template <class T>
constexpr ExpSeries<T> make_exp_series() {
  ExpSeries<T> series{};
  double factorial = 1;
  for (int k = 0; k <= ExpConstants<T>::degree; ++k) {
    if (k > 1) factorial *= k;
    series.at[k] = static_cast<T>(1 / factorial);
  }
  return series;
}

/// exp(x) = 2^n exp(r), n = round(x / ln 2). Infinite where T overflows, 0 where the result is below the normal range.
template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> exp(const Vectors<T, n>& x) {
  using V = Vectors<T, n>;
  using C = ExpConstants<T>;
  constexpr ExpSeries<T> series = make_exp_series<T>();
  const V shift = V::broadcast(C::shift);
  const V shifted = fma(x, V::broadcast(static_cast<T>(0x1.71547652b82fep0)), shift);  // 1 / ln 2
  const V power = shifted - shift;
  V r = fma(power, V::broadcast(-C::ln2_hi), x);  // exact: all bits of power ln2_hi and x that matter fit into r
  r = fma(power, V::broadcast(-C::ln2_lo), r);
  V p = V::broadcast(series.at[C::degree]);
#pragma GCC unroll 16
  for (int k = C::degree - 1; k >= 0; --k) p = fma(p, r, V::broadcast(series.at[k]));
  p = V::scale_by_power(p, shifted);
  p = V::if_greater(V::broadcast(C::overflow), x, p, x * V::broadcast(static_cast<T>(__builtin_inf())));  // NaN too
  return V::if_greater(V::broadcast(C::underflow), x, V::broadcast(0), p);
}

/// 1 / (1 + exp(-a)), and 1 minus that, which must not be the difference of two numbers that round to 1.
template <class T, int n>
struct Logistic {
  Vectors<T, n> value, rest;

  [[gnu::always_inline]] explicit Logistic(const Vectors<T, n>& a) {
    using V = Vectors<T, n>;
    const V one = V::broadcast(1);
    const V e = exp(V::broadcast(0) - a);
    value = one / (one + e);
    rest = V::if_greater(value, V::broadcast(T(0.5)), e * value, one - value);
  }
};

}  // namespace
}  // namespace ttt
