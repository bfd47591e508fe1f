// SPDX-License-Identifier: MIT
// The vector on AVX-512: one register.
#pragma once

// GCC 12 warns inside this header of its own (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

template <>
struct Vec<float> {
  static constexpr Size size = 16;
  static constexpr int block_vectors = 4, tile_vectors = 2, row_vectors = 16, dot_rows = 4, dot_cols = 4, chains = 4;
  static constexpr bool head_sizes_unrolled = true;
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 6 : 8; }  // of 32 registers
  __m512 v;

  static __mmask16 mask(First part) { return static_cast<__mmask16>((1u << part.count) - 1u); }

  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Vec load(const float* p, Whole) { return {_mm512_loadu_ps(p)}; }
  static Vec load(const float* p, First part) { return {_mm512_maskz_loadu_ps(mask(part), p)}; }
  static Vec load_bf16(const std::uint16_t* p) {
    const __m512i bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16))};
  }
  static Vec load_int8(const std::int8_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
  }
  void store(float* p, Whole) const { _mm512_storeu_ps(p, v); }
  void store(float* p, First part) const { _mm512_mask_storeu_ps(p, mask(part), v); }
  float first() const { return _mm512_cvtss_f32(v); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) { return {_mm512_mask_blend_ps(mask(part), y.v, x.v)}; }

  static constexpr int parts = 1;
  using Part = Vec;
  template <int h, class Extent>
  static Part load_part(const float* p, Extent part) {
    return load(p, part);
  }
  template <int h>
  void set_part(Part x) {
    *this = x;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
  static Vec larger(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Vec smaller(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), y.v, x.v)};
  }
  static Vec swap_neighbours(Vec a) { return {_mm512_permute_ps(a.v, 0xB1)}; }
  static Vec scale_by_power(Vec a, Vec shifted) {
    const __m512i exponent = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
    return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), exponent))};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    return {_mm512_mask_blend_ps(h == 8 ? 0xFF00 : h == 4 ? 0xF0F0 : h == 2 ? 0xCCCC : 0xAAAA, a.v, b.v)};
  }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 8) return {_mm512_shuffle_f32x4(a.v, b.v, 0x4E)};
    if constexpr (h == 2) return {_mm512_shuffle_ps(a.v, b.v, 0x4E)};
    const __m512 outer = join<h>(b, a).v;
    if constexpr (h == 4) return {_mm512_shuffle_f32x4(outer, outer, 0xB1)};
    if constexpr (h == 1) return {_mm512_permute_ps(outer, 0xB1)};
  }
};

/// Of vectors whose quarter g holds four elements of row 4 g + i, their columns.
[[gnu::always_inline]] inline void exchange_in_quarters(const __m512 (&rows)[4], Vec<float>* columns) {
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[0], rows[1]));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(rows[2], rows[3]));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[0], rows[1]));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(rows[2], rows[3]));
  columns[0].v = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
  columns[1].v = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
  columns[2].v = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
  columns[3].v = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
}

/// A quarter of the exchanges are loads of half vectors.
template <>
[[gnu::always_inline]] inline void load_square(const Rows<const float>& square, Vec<float> (&columns)[16]) {
  const float* quarter[4];
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    quarter[g] = square.data + 4 * g * square.stride;
    asm("" : "+r"(quarter[g]));  // or GCC keeps the address of every load, in memory
  }
  const auto half = [&](int g, int i, int h) { return _mm256_loadu_ps(quarter[g] + i * square.stride + 8 * h); };
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    __m512 even[4], odd[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512 first = _mm512_insertf32x8(_mm512_castps256_ps512(half(0, i, h)), half(1, i, h), 1);
      const __m512 second = _mm512_insertf32x8(_mm512_castps256_ps512(half(2, i, h)), half(3, i, h), 1);
      even[i] = _mm512_shuffle_f32x4(first, second, 0x88);
      odd[i] = _mm512_shuffle_f32x4(first, second, 0xDD);
    }
    exchange_in_quarters(even, columns + 8 * h);
    exchange_in_quarters(odd, columns + 8 * h + 4);
  }
}

template <>
struct Vec<double> {
  static constexpr Size size = 8;
  static constexpr int block_vectors = 4, tile_vectors = 2, row_vectors = 16, dot_rows = 4, dot_cols = 4, chains = 4;
  static constexpr bool head_sizes_unrolled = true;
  static constexpr int tile_rows(int vectors) { return vectors > 2 ? 6 : 8; }  // of 32 registers
  __m512d v;

  static __mmask8 mask(First part) { return static_cast<__mmask8>((1u << part.count) - 1u); }

  static Vec zero() { return {_mm512_setzero_pd()}; }
  static Vec broadcast(double x) { return {_mm512_set1_pd(x)}; }
  static Vec load(const double* p, Whole) { return {_mm512_loadu_pd(p)}; }
  static Vec load(const double* p, First part) { return {_mm512_maskz_loadu_pd(mask(part), p)}; }
  static Vec load(const float* p, Whole) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
  static Vec load(const float* p, First part) { return {_mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask(part), p))}; }
  void store(double* p, Whole) const { _mm512_storeu_pd(p, v); }
  void store(double* p, First part) const { _mm512_mask_storeu_pd(p, mask(part), v); }
  double first() const { return _mm512_cvtsd_f64(v); }
  static Vec blend(Vec x, Vec, Whole) { return x; }
  static Vec blend(Vec x, Vec y, First part) { return {_mm512_mask_blend_pd(mask(part), y.v, x.v)}; }

  static constexpr int parts = 1;
  using Part = Vec;
  template <int h, class Extent>
  static Part load_part(const double* p, Extent part) {
    return load(p, part);
  }
  template <int h>
  void set_part(Part x) {
    *this = x;
  }

  friend Vec operator+(Vec a, Vec b) { return {a.v + b.v}; }
  friend Vec operator-(Vec a, Vec b) { return {a.v - b.v}; }
  friend Vec operator*(Vec a, Vec b) { return {a.v * b.v}; }
  friend Vec operator/(Vec a, Vec b) { return {a.v / b.v}; }
  static Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_pd(a.v, b.v, c.v)}; }
  static Vec sqrt(Vec a) { return {_mm512_sqrt_pd(a.v)}; }
  static Vec larger(Vec a, Vec b) { return {_mm512_max_pd(a.v, b.v)}; }
  static Vec smaller(Vec a, Vec b) { return {_mm512_min_pd(a.v, b.v)}; }
  static Vec if_greater(Vec a, Vec b, Vec x, Vec y) {
    return {_mm512_mask_blend_pd(_mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ), y.v, x.v)};
  }
  static Vec swap_neighbours(Vec a) { return {_mm512_permute_pd(a.v, 0x55)}; }
  static Vec scale_by_power(Vec a, Vec shifted) {
    const __m512i exponent = _mm512_slli_epi64(_mm512_castpd_si512(shifted.v), 52);
    return {_mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a.v), exponent))};
  }

  template <int h>
  static Vec join(Vec a, Vec b) {
    return {_mm512_mask_blend_pd(h == 4 ? 0xF0 : h == 2 ? 0xCC : 0xAA, a.v, b.v)};
  }
  template <int h>
  static Vec cross(Vec a, Vec b) {
    if constexpr (h == 4) return {_mm512_shuffle_f64x2(a.v, b.v, 0x4E)};
    if constexpr (h == 1) return {_mm512_shuffle_pd(a.v, b.v, 0x55)};
    const __m512d outer = join<h>(b, a).v;
    if constexpr (h == 2) return {_mm512_shuffle_f64x2(outer, outer, 0xB1)};
  }
};

}  // namespace
}  // namespace ttt::ops
