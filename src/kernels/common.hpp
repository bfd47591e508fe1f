// SPDX-License-Identifier: MIT
// What every kernel is written with: parts of vectors, loops over rows, and the trees in which sums are added.
//
// Everything here and in the other headers of this folder has internal linkage: these headers are compiled once for
// each instruction set, and a shared inline function built with AVX-512 could be the copy that the linker keeps for
// all.
//
// Functions of vectors are always_inline: a vector that goes through memory costs more than what is done to it. (In
// lanes_scalar.hpp vectors are memory, and their operations are not inlined.) Kernels that call lambdas from several
// places are `flatten`: a lambda that is not inlined has its rows in memory, and reads them anew after every store. GCC
// flattens calls within calls too, Clang only those of the function itself: kernels that are called through `ByValue`
// in table.hpp, which is `flatten`, need the attribute all the same.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ttt/ops/kernels.hpp"

namespace ttt::ops {
namespace {

using Size = std::ptrdiff_t;

/// 64 bytes of T, whatever the registers of the machine: with the same lanes, all tables give the same bits.
/// Specialised in lanes_*.hpp.
template <class T>
struct Vec;

/// Which lanes of a vector an access means: all, or the first `count` (a load then puts zeros into the others).
struct Whole {};
struct First {
  Size count;
};

template <int n>
struct Constant {
  static constexpr int value = n;
};

constexpr Size min(Size a, Size b) { return a < b ? a : b; }
inline float root(float x) { return __builtin_sqrtf(x); }
inline double root(double x) { return __builtin_sqrt(x); }

template <class T>
T* row(Rows<T> m, Size i) {
  return m.data + i * m.stride;
}

/// f(j, part) for the vectors that begin at j = 0, W, 2 W ... and cover n elements.
template <class T, class F>
[[gnu::always_inline]] inline void each_vector(Size n, F f) {
  constexpr Size W = Vec<T>::size;
  Size j = 0;
  for (; j + W <= n; j += W) f(j, Whole{});
  if (j < n) f(j, First{n - j});
}

/// f(i, j, part) for the vectors of every row.
template <class T, class F>
[[gnu::always_inline]] inline void each_vector(Rows<T> shape, F f) {
  for (Size i = 0; i < shape.rows; ++i) each_vector<T>(shape.cols, [&](Size j, auto part) { f(i, j, part); });
}

/// Rows first ... first + n - 1.
template <class T>
Rows<T> some_rows(Rows<T> m, Size first, Size n) {
  return {row(m, first), n, m.cols, m.stride};
}

template <class T, class Part>
Vec<T> load(Rows<const T> m, Size i, Size j, Part part) {
  return Vec<T>::load(row(m, i) + j, part);
}

template <class T, class Part>
Vec<T> load(Rows<T> m, Size i, Size j, Part part) {
  return Vec<T>::load(row(m, i) + j, part);
}

template <class T, class Part>
void store(Rows<T> m, Size i, Size j, Vec<T> v, Part part) {
  v.store(row(m, i) + j, part);
}

/// v, with 0 in the lanes that `part` does not name.
template <class T, class Part>
[[gnu::always_inline]] inline Vec<T> only(Vec<T> v, Part part) {
  return Vec<T>::blend(v, Vec<T>::zero(), part);
}

/// Adds the halves of every group of 2 h lanes. The sums of a take the lower half of the group, those of b the upper.
template <int h, class T>
[[gnu::always_inline]] inline Vec<T> fold(Vec<T> a, Vec<T> b) {
  return Vec<T>::template join<h>(a, b) + Vec<T>::template cross<h>(a, b);
}

/// Lane i of the result is the sum of the lanes of v[i], for n <= i those of others: every sum adds to lane i lane
/// i + W/2, then + W/4, ... + 1. Vectors are folded together, so that many sums cost little more than one. v is used
/// up.
template <int h, class T, int n>
[[gnu::always_inline]] inline Vec<T> fold_all(Vec<T> (&v)[n]) {
#pragma GCC unroll 8
  for (int i = 0; i < (n < h ? n : h); ++i) v[i] = fold<h>(v[i], v[i + h < n ? i + h : i]);
  if constexpr (h > 1) return fold_all<h / 2>(v);
  return v[0];
}

/// Exchanges rows and columns of a square of vectors.
template <int h, class T>
[[gnu::always_inline]] inline void transpose(Vec<T> (&v)[Vec<T>::size]) {
#pragma GCC unroll 16
  for (int i = 0; i < Vec<T>::size; ++i) {
    if (i % (2 * h) >= h) continue;
    const Vec<T> crossed = Vec<T>::template cross<h>(v[i], v[i + h]);
    v[i] = Vec<T>::template join<h>(v[i], crossed);
    v[i + h] = Vec<T>::template join<h>(crossed, v[i + h]);
  }
  if constexpr (h > 1) transpose<h / 2>(v);
}

/// Columns of a whole square as vectors.
template <class T>
[[gnu::always_inline]] inline void load_square(const Rows<const T>& square, Vec<T> (&columns)[Vec<T>::size]) {
#pragma GCC unroll 16
  for (Size i = 0; i < Vec<T>::size; ++i) columns[i] = load(square, i, 0, Whole{});
  transpose<Vec<T>::size / 2>(columns);
}

/// The sum of the lanes, in every lane.
template <class T>
[[gnu::always_inline]] inline Vec<T> sum_lanes(Vec<T> v) {
  Vec<T> one[1] = {v};
  return fold_all<Vec<T>::size / 2>(one);
}

template <class T>
[[gnu::always_inline]] inline T sum(Vec<T> v) {
  return sum_lanes(v).first();
}

/// sums[i] = sum(v[i]), in whole vectors: `sums` has room for more than n. Indices are constants, or GCC keeps v in
/// memory.
template <int done = 0, class T, int n>
[[gnu::always_inline]] inline void sum_each(const Vec<T> (&v)[n], T* sums) {
  constexpr int W = Vec<T>::size, m = n - done < W ? n - done : W;
  Vec<T> some[m];
#pragma GCC unroll 16
  for (int i = 0; i < m; ++i) some[i] = v[done + i];
  fold_all<W / 2>(some).store(sums + done, Whole{});
  if constexpr (done + m < n) sum_each<done + m>(v, sums);
}

}  // namespace
}  // namespace ttt::ops
