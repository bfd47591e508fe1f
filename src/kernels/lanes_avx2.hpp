// SPDX-License-Identifier: MIT
// The vector on AVX2 with FMA: two registers.
#pragma once

#include <immintrin.h>

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

// The mask of the first n lanes begins n before the middle.
alignas(64) constexpr std::int32_t lanes32[32] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
alignas(64) constexpr std::int64_t lanes64[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

template <>
struct Vec<float> {
  static constexpr Size size = 16;
  static constexpr int block_vectors = 1, tile_vectors = 1, row_vectors = 4, dot_rows = 3, dot_cols = 4, chains = 2;
  static constexpr bool head_sizes_unrolled = true;
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 1 : vectors > 1 ? 2 : 6; }  // of 16 registers
  __m256 lo, hi;

  static __m256i mask(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static __m256i mask_lo(First part) { return mask(lanes32 + 16 - part.count); }
  static __m256i mask_hi(First part) { return mask(lanes32 + 24 - part.count); }

  static Vec zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Vec broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Vec load(const float* p, Whole) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Vec load(const float* p, First part) {
    return {_mm256_maskload_ps(p, mask_lo(part)), _mm256_maskload_ps(p + 8, mask_hi(part))};
  }
  static Vec load_bf16(const std::uint16_t* p) {
    const auto half = [](const std::uint16_t* q) {
      const __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(q)));
      return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
    };
    return {half(p), half(p + 8)};
  }
  static Vec load_int8(const std::int8_t* p) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(bytes, bytes)))};
  }
  void store(float* p, Whole) const {
    _mm256_storeu_ps(p, lo);
    _mm256_storeu_ps(p + 8, hi);
  }
  void store(float* p, First part) const {
    _mm256_maskstore_ps(p, mask_lo(part), lo);
    _mm256_maskstore_ps(p + 8, mask_hi(part), hi);
  }
  float first() const { return _mm256_cvtss_f32(lo); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) {
    return {_mm256_blendv_ps(y.lo, x.lo, _mm256_castsi256_ps(mask_lo(part))),
            _mm256_blendv_ps(y.hi, x.hi, _mm256_castsi256_ps(mask_hi(part)))};
  }

  /// Half of a vector, for tiles of which whole vectors would not fit into the registers.
  static constexpr int parts = 2;
  struct Part {
    __m256 v;

    static Part zero() { return {_mm256_setzero_ps()}; }
    static Part fma(Part a, Part b, Part c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
  };
  template <int h>
  static Part load_part(const float* p, Whole) {
    return {_mm256_loadu_ps(p + 8 * h)};
  }
  template <int h>
  static Part load_part(const float* p, First part) {
    return {_mm256_maskload_ps(p + 8 * h, h == 0 ? mask_lo(part) : mask_hi(part))};
  }
  template <int h>
  void set_part(Part x) {
    (h == 0 ? lo : hi) = x.v;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.lo + b.lo, a.hi + b.hi}; }
  friend Vec operator-(Vec a, Vec b) { return {a.lo - b.lo, a.hi - b.hi}; }
  friend Vec operator*(Vec a, Vec b) { return {a.lo * b.lo, a.hi * b.hi}; }
  friend Vec operator/(Vec a, Vec b) { return {a.lo / b.lo, a.hi / b.hi}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
  static Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
  static Vec larger(Vec a, Vec b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
  static Vec smaller(Vec a, Vec b) { return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)}; }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ)),
            _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ))};
  }
  static Vec swap_neighbours(Vec a) { return {_mm256_permute_ps(a.lo, 0xB1), _mm256_permute_ps(a.hi, 0xB1)}; }
  static __m256 scale_by_power(__m256 a, __m256 shifted) {
    const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponent));
  }
  static Vec scale_by_power(Vec a, Vec shifted) {
    return {scale_by_power(a.lo, shifted.lo), scale_by_power(a.hi, shifted.hi)};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    if constexpr (h == 8) return {a.lo, b.hi};
    return {join<h>(a.lo, b.lo), join<h>(a.hi, b.hi)};
  }
  template <int h>
  static __m256 join(__m256 a, __m256 b) {
    return _mm256_blend_ps(a, b, h == 4 ? 0xF0 : h == 2 ? 0xCC : 0xAA);
  }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 8) return {a.hi, b.lo};
    return {cross<h>(a.lo, b.lo), cross<h>(a.hi, b.hi)};
  }
  template <int h>
  static __m256 cross(__m256 a, __m256 b) {
    if constexpr (h == 4) return _mm256_permute2f128_ps(a, b, 0x21);
    if constexpr (h == 2) return _mm256_shuffle_ps(a, b, 0x4E);
    return _mm256_permute_ps(join<h>(b, a), 0xB1);
  }
};

template <>
struct Vec<double> {
  static constexpr Size size = 8;
  static constexpr int block_vectors = 1, tile_vectors = 1, row_vectors = 4, dot_rows = 3, dot_cols = 4, chains = 2;
  static constexpr bool head_sizes_unrolled = true;
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 1 : vectors > 1 ? 2 : 6; }  // of 16 registers
  __m256d lo, hi;

  static __m256i mask(const std::int64_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static __m256i mask_lo(First part) { return mask(lanes64 + 8 - part.count); }
  static __m256i mask_hi(First part) { return mask(lanes64 + 12 - part.count); }

  static Vec zero() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
  static Vec broadcast(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }
  static Vec load(const double* p, Whole) { return {_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)}; }
  static Vec load(const double* p, First part) {
    return {_mm256_maskload_pd(p, mask_lo(part)), _mm256_maskload_pd(p + 4, mask_hi(part))};
  }
  static Vec load(const float* p, Whole) {
    return {_mm256_cvtps_pd(_mm_loadu_ps(p)), _mm256_cvtps_pd(_mm_loadu_ps(p + 4))};
  }
  static Vec load(const float* p, First part) {
    const __m256 x = _mm256_maskload_ps(p, Vec<float>::mask_lo(part));
    return {_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1))};
  }
  void store(double* p, Whole) const {
    _mm256_storeu_pd(p, lo);
    _mm256_storeu_pd(p + 4, hi);
  }
  void store(double* p, First part) const {
    _mm256_maskstore_pd(p, mask_lo(part), lo);
    _mm256_maskstore_pd(p + 4, mask_hi(part), hi);
  }
  double first() const { return _mm256_cvtsd_f64(lo); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) {
    return {_mm256_blendv_pd(y.lo, x.lo, _mm256_castsi256_pd(mask_lo(part))),
            _mm256_blendv_pd(y.hi, x.hi, _mm256_castsi256_pd(mask_hi(part)))};
  }

  /// Half of a vector, for tiles of which whole vectors would not fit into the registers.
  static constexpr int parts = 2;
  struct Part {
    __m256d v;

    static Part zero() { return {_mm256_setzero_pd()}; }
    static Part fma(Part a, Part b, Part c) { return {_mm256_fmadd_pd(a.v, b.v, c.v)}; }
  };
  template <int h>
  static Part load_part(const double* p, Whole) {
    return {_mm256_loadu_pd(p + 4 * h)};
  }
  template <int h>
  static Part load_part(const double* p, First part) {
    return {_mm256_maskload_pd(p + 4 * h, h == 0 ? mask_lo(part) : mask_hi(part))};
  }
  template <int h>
  void set_part(Part x) {
    (h == 0 ? lo : hi) = x.v;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.lo + b.lo, a.hi + b.hi}; }
  friend Vec operator-(Vec a, Vec b) { return {a.lo - b.lo, a.hi - b.hi}; }
  friend Vec operator*(Vec a, Vec b) { return {a.lo * b.lo, a.hi * b.hi}; }
  friend Vec operator/(Vec a, Vec b) { return {a.lo / b.lo, a.hi / b.hi}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)}; }
  static Vec sqrt(Vec a) { return {_mm256_sqrt_pd(a.lo), _mm256_sqrt_pd(a.hi)}; }
  static Vec larger(Vec a, Vec b) { return {_mm256_max_pd(a.lo, b.lo), _mm256_max_pd(a.hi, b.hi)}; }
  static Vec smaller(Vec a, Vec b) { return {_mm256_min_pd(a.lo, b.lo), _mm256_min_pd(a.hi, b.hi)}; }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {_mm256_blendv_pd(y.lo, x.lo, _mm256_cmp_pd(a.lo, b.lo, _CMP_GT_OQ)),
            _mm256_blendv_pd(y.hi, x.hi, _mm256_cmp_pd(a.hi, b.hi, _CMP_GT_OQ))};
  }
  static Vec swap_neighbours(Vec a) { return {_mm256_permute_pd(a.lo, 0x5), _mm256_permute_pd(a.hi, 0x5)}; }
  static __m256d scale_by_power(__m256d a, __m256d shifted) {
    const __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), exponent));
  }
  static Vec scale_by_power(Vec a, Vec shifted) {
    return {scale_by_power(a.lo, shifted.lo), scale_by_power(a.hi, shifted.hi)};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    if constexpr (h == 4) return {a.lo, b.hi};
    return {join<h>(a.lo, b.lo), join<h>(a.hi, b.hi)};
  }
  template <int h>
  static __m256d join(__m256d a, __m256d b) {
    return _mm256_blend_pd(a, b, h == 2 ? 0xC : 0xA);
  }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 4) return {a.hi, b.lo};
    return {cross<h>(a.lo, b.lo), cross<h>(a.hi, b.hi)};
  }
  template <int h>
  static __m256d cross(__m256d a, __m256d b) {
    return h == 2 ? _mm256_permute2f128_pd(a, b, 0x21) : _mm256_shuffle_pd(a, b, 0x5);
  }
};

}  // namespace
}  // namespace ttt::ops
