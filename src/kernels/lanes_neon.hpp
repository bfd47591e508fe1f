// SPDX-License-Identifier: MIT
// The vector on NEON of 64-bit ARM: four registers. Members of their own, as GCC keeps arrays of registers in memory.
#pragma once

#include <arm_neon.h>

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

// NEON has no masked access: the first n lanes of a register, of which it may have fewer, are moved one by one.

inline float32x4_t load_first(const float* p, Size n) {
  if (n >= 4) return vld1q_f32(p);
  float32x4_t x = vdupq_n_f32(0);
  if (n > 0) x = vld1q_lane_f32(p, x, 0);
  if (n > 1) x = vld1q_lane_f32(p + 1, x, 1);
  if (n > 2) x = vld1q_lane_f32(p + 2, x, 2);
  return x;
}

inline float64x2_t load_first(const double* p, Size n) {
  if (n >= 2) return vld1q_f64(p);
  float64x2_t x = vdupq_n_f64(0);
  if (n > 0) x = vld1q_lane_f64(p, x, 0);
  return x;
}

inline void store_first(float* p, Size n, float32x4_t x) {
  if (n >= 4) return vst1q_f32(p, x);
  if (n > 0) vst1q_lane_f32(p, x, 0);
  if (n > 1) vst1q_lane_f32(p + 1, x, 1);
  if (n > 2) vst1q_lane_f32(p + 2, x, 2);
}

inline void store_first(double* p, Size n, float64x2_t x) {
  if (n >= 2) return vst1q_f64(p, x);
  if (n > 0) vst1q_lane_f64(p, x, 0);
}

constexpr std::int32_t index32[4] = {0, 1, 2, 3};
constexpr std::int64_t index64[2] = {0, 1};

inline float32x4_t blend_first(Size n, float32x4_t x, float32x4_t y) {
  return vbslq_f32(vcgtq_s32(vdupq_n_s32(static_cast<std::int32_t>(n)), vld1q_s32(index32)), x, y);
}

inline float64x2_t blend_first(Size n, float64x2_t x, float64x2_t y) {
  return vbslq_f64(vcgtq_s64(vdupq_n_s64(n), vld1q_s64(index64)), x, y);
}

template <>
struct Vec<float> {
  static constexpr Size size = 16;
  static constexpr int block_vectors = 2, tile_vectors = 2, row_vectors = 4, dot_rows = 2, dot_cols = 4, chains = 1;
  static constexpr bool head_sizes_unrolled = true;
  // 16 of 32 registers hold sums: as many as four units with a latency of four cycles need. GCC spills some of 24.
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 1 : vectors > 1 ? 2 : 4; }
  float32x4_t q0, q1, q2, q3;

  static Vec all(float32x4_t q) { return {q, q, q, q}; }

  static Vec zero() { return all(vdupq_n_f32(0)); }
  static Vec broadcast(float x) { return all(vdupq_n_f32(x)); }
  static Vec load(const float* p, Whole) {
    return {vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
  }
  static Vec load(const float* p, First part) {
    const Size n = part.count;
    if (n == size) return load(p, Whole{});
    return {load_first(p, n), load_first(p + 4, n - 4), load_first(p + 8, n - 8), load_first(p + 12, n - 12)};
  }
  static Vec load_bf16(const std::uint16_t* p) {
    const auto quarter = [](const std::uint16_t* q) {
      return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(q)), 16));
    };
    return {quarter(p), quarter(p + 4), quarter(p + 8), quarter(p + 12)};
  }
  static Vec load_int8(const std::int8_t* p) {
    const int8x16_t bytes = vld1q_s8(p);
    const int16x8_t lo = vmovl_s8(vget_low_s8(bytes)), hi = vmovl_high_s8(bytes);
    return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_high_s16(lo)),
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_high_s16(hi))};
  }
  void store(float* p, Whole) const {
    vst1q_f32(p, q0);
    vst1q_f32(p + 4, q1);
    vst1q_f32(p + 8, q2);
    vst1q_f32(p + 12, q3);
  }
  void store(float* p, First part) const {
    const Size n = part.count;
    store_first(p, n, q0);
    store_first(p + 4, n - 4, q1);
    store_first(p + 8, n - 8, q2);
    store_first(p + 12, n - 12, q3);
  }
  float first() const { return vgetq_lane_f32(q0, 0); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) {
    const Size n = part.count;
    return {blend_first(n, x.q0, y.q0), blend_first(n - 4, x.q1, y.q1), blend_first(n - 8, x.q2, y.q2),
            blend_first(n - 12, x.q3, y.q3)};
  }

  /// Half of a vector, for tiles of which whole vectors would not fit into the registers.
  static constexpr int parts = 2;
  struct Part {
    float32x4_t lo, hi;

    static Part zero() { return {vdupq_n_f32(0), vdupq_n_f32(0)}; }
    static Part fma(Part a, Part b, Part c) { return {vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)}; }
  };
  template <int h>
  static Part load_part(const float* p, Whole) {
    return {vld1q_f32(p + 8 * h), vld1q_f32(p + 8 * h + 4)};
  }
  template <int h>
  static Part load_part(const float* p, First part) {
    const Size n = part.count - 8 * h;
    return {load_first(p + 8 * h, n), load_first(p + 8 * h + 4, n - 4)};
  }
  template <int h>
  void set_part(Part x) {
    (h == 0 ? q0 : q2) = x.lo;
    (h == 0 ? q1 : q3) = x.hi;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.q0 + b.q0, a.q1 + b.q1, a.q2 + b.q2, a.q3 + b.q3}; }
  friend Vec operator-(Vec a, Vec b) { return {a.q0 - b.q0, a.q1 - b.q1, a.q2 - b.q2, a.q3 - b.q3}; }
  friend Vec operator*(Vec a, Vec b) { return {a.q0 * b.q0, a.q1 * b.q1, a.q2 * b.q2, a.q3 * b.q3}; }
  friend Vec operator/(Vec a, Vec b) { return {a.q0 / b.q0, a.q1 / b.q1, a.q2 / b.q2, a.q3 / b.q3}; }
  static Vec fma(Vec a, Vec b, Vec c) {
    return {vfmaq_f32(c.q0, a.q0, b.q0), vfmaq_f32(c.q1, a.q1, b.q1), vfmaq_f32(c.q2, a.q2, b.q2),
            vfmaq_f32(c.q3, a.q3, b.q3)};
  }
  static Vec sqrt(Vec a) { return {vsqrtq_f32(a.q0), vsqrtq_f32(a.q1), vsqrtq_f32(a.q2), vsqrtq_f32(a.q3)}; }
  static Vec larger(Vec a, Vec b) { return if_greater(a, b, a, b); }
  static Vec smaller(Vec a, Vec b) { return if_greater(b, a, a, b); }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {vbslq_f32(vcgtq_f32(a.q0, b.q0), x.q0, y.q0), vbslq_f32(vcgtq_f32(a.q1, b.q1), x.q1, y.q1),
            vbslq_f32(vcgtq_f32(a.q2, b.q2), x.q2, y.q2), vbslq_f32(vcgtq_f32(a.q3, b.q3), x.q3, y.q3)};
  }
  static Vec swap_neighbours(Vec a) {
    return {vrev64q_f32(a.q0), vrev64q_f32(a.q1), vrev64q_f32(a.q2), vrev64q_f32(a.q3)};
  }
  static float32x4_t scale_by_power(float32x4_t a, float32x4_t shifted) {
    const int32x4_t exponent = vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponent));
  }
  static Vec scale_by_power(Vec a, Vec shifted) {
    return {scale_by_power(a.q0, shifted.q0), scale_by_power(a.q1, shifted.q1), scale_by_power(a.q2, shifted.q2),
            scale_by_power(a.q3, shifted.q3)};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    if constexpr (h == 8) return {a.q0, a.q1, b.q2, b.q3};
    if constexpr (h == 4) return {a.q0, b.q1, a.q2, b.q3};
    if constexpr (h <= 2) return {join<h>(a.q0, b.q0), join<h>(a.q1, b.q1), join<h>(a.q2, b.q2), join<h>(a.q3, b.q3)};
  }
  template <int h>
  static float32x4_t join(float32x4_t a, float32x4_t b) {
    if constexpr (h == 2) return vcombine_f32(vget_low_f32(a), vget_high_f32(b));
    if constexpr (h == 1) return vtrn1q_f32(a, vrev64q_f32(b));
  }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 8) return {a.q2, a.q3, b.q0, b.q1};
    if constexpr (h == 4) return {a.q1, b.q0, a.q3, b.q2};
    if constexpr (h <= 2) {
      return {cross<h>(a.q0, b.q0), cross<h>(a.q1, b.q1), cross<h>(a.q2, b.q2), cross<h>(a.q3, b.q3)};
    }
  }
  template <int h>
  static float32x4_t cross(float32x4_t a, float32x4_t b) {
    if constexpr (h == 2) return vextq_f32(a, b, 2);
    if constexpr (h == 1) return vtrn1q_f32(vrev64q_f32(a), b);
  }
};

template <>
struct Vec<double> {
  static constexpr Size size = 8;
  static constexpr int block_vectors = 2, tile_vectors = 2, row_vectors = 4, dot_rows = 2, dot_cols = 4, chains = 1;
  static constexpr bool head_sizes_unrolled = true;
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 1 : vectors > 1 ? 2 : 4; }
  float64x2_t q0, q1, q2, q3;

  static Vec all(float64x2_t q) { return {q, q, q, q}; }

  static Vec zero() { return all(vdupq_n_f64(0)); }
  static Vec broadcast(double x) { return all(vdupq_n_f64(x)); }
  static Vec load(const double* p, Whole) {
    return {vld1q_f64(p), vld1q_f64(p + 2), vld1q_f64(p + 4), vld1q_f64(p + 6)};
  }
  static Vec load(const double* p, First part) {
    const Size n = part.count;
    if (n == size) return load(p, Whole{});
    return {load_first(p, n), load_first(p + 2, n - 2), load_first(p + 4, n - 4), load_first(p + 6, n - 6)};
  }
  static Vec widened(float32x4_t lo, float32x4_t hi) {
    return {vcvt_f64_f32(vget_low_f32(lo)), vcvt_high_f64_f32(lo), vcvt_f64_f32(vget_low_f32(hi)),
            vcvt_high_f64_f32(hi)};
  }
  static Vec load(const float* p, Whole) { return widened(vld1q_f32(p), vld1q_f32(p + 4)); }
  static Vec load(const float* p, First part) {
    return widened(load_first(p, part.count), load_first(p + 4, part.count - 4));
  }
  void store(double* p, Whole) const {
    vst1q_f64(p, q0);
    vst1q_f64(p + 2, q1);
    vst1q_f64(p + 4, q2);
    vst1q_f64(p + 6, q3);
  }
  void store(double* p, First part) const {
    const Size n = part.count;
    store_first(p, n, q0);
    store_first(p + 2, n - 2, q1);
    store_first(p + 4, n - 4, q2);
    store_first(p + 6, n - 6, q3);
  }
  double first() const { return vgetq_lane_f64(q0, 0); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) {
    const Size n = part.count;
    return {blend_first(n, x.q0, y.q0), blend_first(n - 2, x.q1, y.q1), blend_first(n - 4, x.q2, y.q2),
            blend_first(n - 6, x.q3, y.q3)};
  }

  /// Half of a vector, for tiles of which whole vectors would not fit into the registers.
  static constexpr int parts = 2;
  struct Part {
    float64x2_t lo, hi;

    static Part zero() { return {vdupq_n_f64(0), vdupq_n_f64(0)}; }
    static Part fma(Part a, Part b, Part c) { return {vfmaq_f64(c.lo, a.lo, b.lo), vfmaq_f64(c.hi, a.hi, b.hi)}; }
  };
  template <int h>
  static Part load_part(const double* p, Whole) {
    return {vld1q_f64(p + 4 * h), vld1q_f64(p + 4 * h + 2)};
  }
  template <int h>
  static Part load_part(const double* p, First part) {
    const Size n = part.count - 4 * h;
    return {load_first(p + 4 * h, n), load_first(p + 4 * h + 2, n - 2)};
  }
  template <int h>
  void set_part(Part x) {
    (h == 0 ? q0 : q2) = x.lo;
    (h == 0 ? q1 : q3) = x.hi;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.q0 + b.q0, a.q1 + b.q1, a.q2 + b.q2, a.q3 + b.q3}; }
  friend Vec operator-(Vec a, Vec b) { return {a.q0 - b.q0, a.q1 - b.q1, a.q2 - b.q2, a.q3 - b.q3}; }
  friend Vec operator*(Vec a, Vec b) { return {a.q0 * b.q0, a.q1 * b.q1, a.q2 * b.q2, a.q3 * b.q3}; }
  friend Vec operator/(Vec a, Vec b) { return {a.q0 / b.q0, a.q1 / b.q1, a.q2 / b.q2, a.q3 / b.q3}; }
  static Vec fma(Vec a, Vec b, Vec c) {
    return {vfmaq_f64(c.q0, a.q0, b.q0), vfmaq_f64(c.q1, a.q1, b.q1), vfmaq_f64(c.q2, a.q2, b.q2),
            vfmaq_f64(c.q3, a.q3, b.q3)};
  }
  static Vec sqrt(Vec a) { return {vsqrtq_f64(a.q0), vsqrtq_f64(a.q1), vsqrtq_f64(a.q2), vsqrtq_f64(a.q3)}; }
  static Vec larger(Vec a, Vec b) { return if_greater(a, b, a, b); }
  static Vec smaller(Vec a, Vec b) { return if_greater(b, a, a, b); }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {vbslq_f64(vcgtq_f64(a.q0, b.q0), x.q0, y.q0), vbslq_f64(vcgtq_f64(a.q1, b.q1), x.q1, y.q1),
            vbslq_f64(vcgtq_f64(a.q2, b.q2), x.q2, y.q2), vbslq_f64(vcgtq_f64(a.q3, b.q3), x.q3, y.q3)};
  }
  static Vec swap_neighbours(Vec a) {
    return {vextq_f64(a.q0, a.q0, 1), vextq_f64(a.q1, a.q1, 1), vextq_f64(a.q2, a.q2, 1), vextq_f64(a.q3, a.q3, 1)};
  }
  static float64x2_t scale_by_power(float64x2_t a, float64x2_t shifted) {
    const int64x2_t exponent = vshlq_n_s64(vreinterpretq_s64_f64(shifted), 52);
    return vreinterpretq_f64_s64(vaddq_s64(vreinterpretq_s64_f64(a), exponent));
  }
  static Vec scale_by_power(Vec a, Vec shifted) {
    return {scale_by_power(a.q0, shifted.q0), scale_by_power(a.q1, shifted.q1), scale_by_power(a.q2, shifted.q2),
            scale_by_power(a.q3, shifted.q3)};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    if constexpr (h == 4) return {a.q0, a.q1, b.q2, b.q3};
    if constexpr (h == 2) return {a.q0, b.q1, a.q2, b.q3};
    if constexpr (h == 1) return {join(a.q0, b.q0), join(a.q1, b.q1), join(a.q2, b.q2), join(a.q3, b.q3)};
  }
  static float64x2_t join(float64x2_t a, float64x2_t b) { return vcombine_f64(vget_low_f64(a), vget_high_f64(b)); }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 4) return {a.q2, a.q3, b.q0, b.q1};
    if constexpr (h == 2) return {a.q1, b.q0, a.q3, b.q2};
    if constexpr (h == 1) {
      return {vextq_f64(a.q0, b.q0, 1), vextq_f64(a.q1, b.q1, 1), vextq_f64(a.q2, b.q2, 1), vextq_f64(a.q3, b.q3, 1)};
    }
  }
};

}  // namespace
}  // namespace ttt::ops
