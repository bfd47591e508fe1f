// SPDX-License-Identifier: MIT
// Tiles of a product that stay in registers: their shapes, their loops and the one inner loop of all products but dots.
#pragma once

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

/// Some rows and vectors of columns of a product.
template <class T, int R, int N>
struct Tile {
  Vec<T> at[R][N];
};

/// A factor of which `accumulate` takes element i of step p from data[i * stride + p * step].
template <class T>
struct Strided {
  const T* data;
  Size stride, step;
};

/// The next smaller size of a group: a power of two.
constexpr int smaller(int n) {
  int power = 1;
  while (2 * power < n) power *= 2;
  return power;
}

/// How many whole groups of n are in `count`. Unsigned, as division by a power of two is then one shift.
constexpr Size whole_groups(Size count, int n) {
  return static_cast<Size>(static_cast<std::size_t>(count) / static_cast<std::size_t>(n));
}

/// f(first, count, Constant<n>) for stretches of whole groups of n = max rows, then of smaller ones, down to 1.
template <int max, class F>
void each_stretch(Size rows, F f) {
  const Size count = whole_groups(rows, max) * max;
  if (count > 0) f(Size{0}, count, Constant<max>{});
  if constexpr (max > 1) {
    if (count < rows) {
      each_stretch<smaller(max)>(rows - count, [&](Size i, Size n, auto size) { f(count + i, n, size); });
    }
  }
}

/// f(first, Constant<n>) for the groups of those stretches.
template <int max, class F>
void each_group(Size rows, F f) {
  each_stretch<max>(rows, [&](Size first, Size count, auto size) {
    for (Size i = 0; i < count; i += decltype(size)::value) f(first + i, size);
  });
}

/// f(first column, Constant<vectors>, part of the last vector) for panels of `max` vectors, then of fewer. What is left
/// of the columns is a panel of one vector.
template <class T, int max, class F>
void each_panel(Size cols, F f) {
  constexpr Size W = Vec<T>::size;
  const Size vectors = whole_groups(cols, W), whole = vectors * W;
  each_group<max>(vectors, [&](Size v, auto count) { f(v * W, count, Whole{}); });
  if (whole < cols) f(whole, Constant<1>{}, First{cols - whole});
}

template <class T, int R, int N, class F>
[[gnu::always_inline]] inline void each_in_tile(F f) {
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) f(i, v);
  }
}

template <class T, int N, class Part>
[[gnu::always_inline]] inline Vec<T> load_vector(const T* p, int v, Part last) {
  const T* at = p + v * Vec<T>::size;
  return v + 1 < N ? Vec<T>::load(at, Whole{}) : Vec<T>::load(at, last);
}

template <class T, int N, class Part>
[[gnu::always_inline]] inline void store_vector(T* p, int v, Vec<T> x, Part last) {
  T* at = p + v * Vec<T>::size;
  v + 1 < N ? x.store(at, Whole{}) : x.store(at, last);
}

/// Copies k rows of N vectors to one place, where they do not compete for the same lines of the cache.
template <class T, int N, class Part>
void pack_panel(const T* panel, Size stride, Size k, Part last, T* packed) {
  for (Size p = 0; p < k; ++p) {
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) {
      store_vector<T, N>(packed + p * N * Vec<T>::size, v, load_vector<T, N>(panel + p * stride, v, last), Whole{});
    }
  }
}

/// Columns of `block` as vectors; a block that is no whole square is filled up with 0.
template <class T, bool whole>
[[gnu::always_inline]] inline void load_columns(const Rows<const T>& block, Vec<T> (&columns)[Vec<T>::size]) {
  if constexpr (whole) {
    load_square(block, columns);
  } else {
    constexpr Size W = Vec<T>::size;
#pragma GCC unroll 16
    for (Size i = 0; i < W; ++i) columns[i] = i < block.rows ? load(block, i, 0, First{block.cols}) : Vec<T>::zero();
    transpose<W / 2>(columns);
  }
}

/// Writes columns of `block` as rows of one vector.
template <class T, bool whole>
[[gnu::noinline]] void pack_square(const Rows<const T>& block, T* packed, Size packed_stride) {
  constexpr Size W = Vec<T>::size;
  Vec<T> columns[W];
  load_columns<T, whole>(block, columns);
#pragma GCC unroll 16
  for (Size i = 0; i < W; ++i) {
    if (whole || i < block.cols) columns[i].store(packed + i * packed_stride, Whole{});
  }
}

/// Copies what N vectors of rows hold to one place as k rows of N vectors.
template <class T, int N>
void pack_transposed(const Rows<const T>& panel, T* packed) {
  constexpr Size W = Vec<T>::size;
  for (Size v = 0; v < N; ++v) {
    for (Size p = 0; p < panel.cols; p += W) {
      const Rows<const T> block = {row(panel, v * W) + p, panel.rows - v * W, min(W, panel.cols - p), panel.stride};
      T* to = packed + p * N * W + v * W;
      const bool whole = block.cols == W && block.rows >= W;
      whole ? pack_square<T, true>(block, to, N * W) : pack_square<T, false>(block, to, N * W);
    }
  }
}

/// tile_iv += sum_{p < k} A_ip B_pv, one fused multiply-add after the other.
template <class T, int R, int N, class Part>
[[gnu::always_inline]] inline void accumulate(Tile<T, R, N>& tile, Strided<T> A, const T* B, Size B_stride, Size k,
                                              Part last) {
  Tile<T, R, N> sum = tile;
#pragma GCC unroll 8
  for (Size p = 0; p < k; ++p) {
    Vec<T> b[N];
#pragma GCC unroll 16
    for (int v = 0; v < N; ++v) b[v] = load_vector<T, N>(B, v, last);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec<T> a = Vec<T>::broadcast(A.data[i * A.stride]);
#pragma GCC unroll 16
      for (int v = 0; v < N; ++v) sum.at[i][v] = Vec<T>::fma(a, b[v], sum.at[i][v]);
    }
    A.data += A.step;
    B += B_stride;
  }
  tile = sum;
}

}  // namespace
}  // namespace ttt::ops
