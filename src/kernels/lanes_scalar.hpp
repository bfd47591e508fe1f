// SPDX-License-Identifier: MIT
// The vector in portable C++: an array. The reference for all others.
//
// An array is no register: its operations are functions that are not inlined, each one loop over the lanes. Inlined,
// and with head sizes unrolled, they took the compiler ten times as long, for three times the code and a gain of a
// fifth.
#pragma once

#include "kernels/common.hpp"
#include "kernels/panels.hpp"

namespace ttt::ops {
namespace {

inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

#ifdef __FP_FAST_FMAF
inline float fused(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
/// a b + c, rounded once. Without the instruction libm takes ten times as long. The product is exact in double; the sum
/// is not, but if it is then the one of its two neighbours whose last bit is 1, it rounds to the float that the exact
/// sum rounds to (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums").
inline float fused(float a, float b, float c) {
  const double product = double{a} * double{b}, sum = product + double{c};
  const double added = sum - product;
  const double rest = (product - (sum - added)) + (double{c} - added);  // what the sum lacks, exactly; NaN if infinite
  std::uint64_t bits, rest_bits;
  __builtin_memcpy(&bits, &sum, sizeof sum);
  __builtin_memcpy(&rest_bits, &rest, sizeof rest);
  const std::uint64_t away = (bits ^ rest_bits) >> 63;  // 1 where the sum was rounded away from zero
  bits = rest < 0 || rest > 0 ? (bits - away) | 1 : bits;
  double odd;
  __builtin_memcpy(&odd, &bits, sizeof bits);
  return static_cast<float>(odd);
}
#endif

inline float add_exponent(float x, float n) {
  std::uint32_t bits, exponent;
  __builtin_memcpy(&bits, &x, sizeof x);
  __builtin_memcpy(&exponent, &n, sizeof n);
  bits += exponent << 23;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

inline double add_exponent(double x, double n) {
  std::uint64_t bits, exponent;
  __builtin_memcpy(&bits, &x, sizeof x);
  __builtin_memcpy(&exponent, &n, sizeof n);
  bits += exponent << 52;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

template <class T>
struct Vec {
  static constexpr Size size = 64 / sizeof(T);
  static constexpr int block_vectors = 1, tile_vectors = 1, row_vectors = 1, dot_rows = 1, dot_cols = 1, chains = 1;
  static constexpr bool head_sizes_unrolled = false;
  static constexpr int tile_rows(int vectors) { return vectors > 1 ? 1 : 2; }
  T lane[size];

  template <class F>
  [[gnu::noinline]] static Vec generate(F f) {
    Vec r;
    for (Size i = 0; i < size; ++i) r.lane[i] = f(i);
    return r;
  }

  static Vec zero() { return broadcast(0); }
  static Vec broadcast(T x) {
    return generate([&](Size) { return x; });
  }
  template <class U>
  static Vec load(const U* p, Whole) {
    return generate([&](Size i) { return T{p[i]}; });
  }
  template <class U>
  static Vec load(const U* p, First part) {
    return generate([&](Size i) { return i < part.count ? T{p[i]} : T{0}; });
  }
  static Vec load_bf16(const std::uint16_t* p) {
    return generate([&](Size i) { return static_cast<T>(from_bf16(p[i])); });
  }
  static Vec load_int8(const std::int8_t* p) {
    return generate([&](Size i) { return static_cast<T>(p[i]); });
  }
  void store(T* p, Whole) const { store(p, First{size}); }
  [[gnu::noinline]] void store(T* p, First part) const {
    for (Size i = 0; i < part.count; ++i) p[i] = lane[i];
  }
  T first() const { return lane[0]; }

  /// The lanes that `part` names from x, the others from y.
  static Vec blend(const Vec& x, const Vec&, Whole) { return x; }
  static Vec blend(const Vec& x, const Vec& y, First part) {
    return generate([&](Size i) { return i < part.count ? x.lane[i] : y.lane[i]; });
  }

  static constexpr int parts = 1;
  using Part = Vec;
  template <int h, class Extent>
  static Part load_part(const T* p, Extent part) {
    return load(p, part);
  }
  template <int h>
  void set_part(Part x) {
    *this = x;
  }

  friend Vec operator+(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] + b.lane[i]; });
  }
  friend Vec operator-(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] - b.lane[i]; });
  }
  friend Vec operator*(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] * b.lane[i]; });
  }
  friend Vec operator/(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] / b.lane[i]; });
  }
  /// a b + c, rounded once.
  static Vec fma(const Vec& a, const Vec& b, const Vec& c) {
    return generate([&](Size i) { return fused(a.lane[i], b.lane[i], c.lane[i]); });
  }
  static Vec sqrt(const Vec& a) {
    return generate([&](Size i) { return root(a.lane[i]); });
  }
  /// a > b ? a : b, and a < b ? a : b. So a NaN in b passes.
  static Vec larger(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Vec smaller(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  /// a > b ? x : y. So a NaN in a or b gives y.
  static Vec if_greater(const Vec& a, const Vec& b, const Vec& x, const Vec& y) {
    return generate([&](Size i) { return a.lane[i] > b.lane[i] ? x.lane[i] : y.lane[i]; });
  }
  /// Exchanges lanes 2 m and 2 m + 1.
  static Vec swap_neighbours(const Vec& a) {
    return generate([&](Size i) { return a.lane[i ^ 1]; });
  }
  /// a 2^n by adding to the exponent; n stands in the low bits of `shifted`.
  static Vec scale_by_power(const Vec& a, const Vec& shifted) {
    return generate([&](Size i) { return add_exponent(a.lane[i], shifted.lane[i]); });
  }

  /// In every group of 2 h lanes: the lower half of a, then the upper half of b.
  template <int h>
  static Vec join(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return i % (2 * h) < h ? a.lane[i] : b.lane[i]; });
  }
  /// In every group of 2 h lanes: the upper half of a, then the lower half of b.
  template <int h>
  static Vec cross(const Vec& a, const Vec& b) {
    return generate([&](Size i) { return i % (2 * h) < h ? a.lane[i + h] : b.lane[i - h]; });
  }
};

}  // namespace
}  // namespace ttt::ops
