// SPDX-License-Identifier: MIT
// What every kernel is written with: parts of vectors, loops over rows, and the trees in which sums are added.
//
// Everything here and in the other headers of this folder has internal linkage: these headers are compiled once for
// each instruction set, and a shared inline function built with AVX-512 could be the copy that the linker keeps for
// all.
//
// Functions of vectors are always_inline: a vector that goes through memory costs more than what is done to it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ttt/kernels.hpp"

namespace ttt {
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

inline Size min(Size a, Size b) { return a < b ? a : b; }
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

/// The sum of the lanes: lane i takes lane i + W/2, then + W/4, ... + 1.
template <class T>
[[gnu::always_inline]] inline T sum(Vec<T> v) {
  if constexpr (Vec<T>::size == 16) v = Vec<T>::template fold<8>(v, v);
  v = Vec<T>::template fold<4>(v, v);
  v = Vec<T>::template fold<2>(v, v);
  v = Vec<T>::template fold<1>(v, v);
  return v.first();
}

/// Quarter q of the result (128 bits) is what is left of v[first + q step] after folding down to 128 bits.
template <int first, int step, class T, int n>
[[gnu::always_inline]] inline Vec<T> fold_to_quarters(const Vec<T> (&v)[n]) {
  constexpr int half = Vec<T>::size / 2;
  return Vec<T>::template fold<half / 2>(Vec<T>::template fold<half>(v[first], v[first + step]),
                                         Vec<T>::template fold<half>(v[first + 2 * step], v[first + 3 * step]));
}

/// sums[i] = sum(v[i]) for i >= done. Vectors are folded together, so that many sums cost little more than one; the
/// tree of each is the same. Indices are constants, or GCC keeps v in memory.
template <int done = 0, class T, int n>
[[gnu::always_inline]] inline void sum_each(const Vec<T> (&v)[n], T* sums) {
  using V = Vec<T>;
  constexpr int W = V::size, quad = 16 / sizeof(T);  // lanes in a quarter
  if constexpr (n - done >= W) {
    const V x = fold_to_quarters<done, quad>(v), y = fold_to_quarters<done + 1, quad>(v);
    if constexpr (quad == 4) {
      const V z = fold_to_quarters<done + 2, quad>(v), w = fold_to_quarters<done + 3, quad>(v);
      V::template fold<1>(V::template fold<2>(x, y), V::template fold<2>(z, w)).store(sums + done, Whole{});
    } else {
      V::template fold<1>(x, y).store(sums + done, Whole{});
    }
    sum_each<done + W>(v, sums);
  } else if constexpr (n - done >= 4) {
    V x = fold_to_quarters<done, 1>(v);
    if constexpr (quad == 4) x = V::template fold<2>(x, x);
    T lanes[W];
    V::template fold<1>(x, x).store(lanes, Whole{});
    for (int q = 0; q < 4; ++q) sums[done + q] = lanes[quad * q];
    sum_each<done + 4>(v, sums);
  } else if constexpr (n > done) {
    sums[done] = sum(v[done]);
    sum_each<done + 1>(v, sums);
  }
}

/// Adds pieces of a long sum pairwise: call it with the pieces 0, 1, 2 ... in order. `levels` holds the open halves of
/// the tree, one for each bit of the number of pieces. With `last` the result is the whole sum.
template <class S>
S add_piece(S sum, Size piece, bool last, S* levels) {
  Size level = 0;
  for (Size n = piece; last ? n != 0 : n % 2 == 1; n /= 2, ++level) {
    if (n % 2 == 1) sum = levels[level] + sum;
  }
  if (!last) levels[level] = sum;
  return sum;
}

}  // namespace
}  // namespace ttt
