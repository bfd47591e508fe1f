// SPDX-License-Identifier: MIT
// Sums across the rows of a block: their lanes are added together, and what follows from them - mean, square root,
// division - is done for all rows in one vector.
//
// Loops that fill an array of one vector for each row are not unrolled: GCC would, with a test for the end after every
// row.
#pragma once

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

/// One number for each row of a block, with as many rows as a vector has lanes.
template <class T>
struct PerRow {
  static constexpr Size most = Vec<T>::size;
  alignas(64) T at[most];

  Vec<T> operator[](Size i) const { return Vec<T>::broadcast(at[i]); }
  void set(Vec<T> v) { v.store(at, Whole{}); }
};

/// Columns of a row: a number of whole vectors that the compiler knows, or any number (count 0).
template <int count>
struct Columns {
  Size n;
};

/// f(columns): head sizes have code of their own where their loops are unrolled.
template <class T, class F>
[[gnu::always_inline]] inline void with_columns(Size n, F f) {
  constexpr Size W = Vec<T>::size;
  if constexpr (Vec<T>::head_sizes_unrolled) {
    if (n == 2 * W) return f(Columns<2>{n});
    if (n == 4 * W) return f(Columns<4>{n});
    if (n == 6 * W) return f(Columns<6>{n});
    if (n == 8 * W) return f(Columns<8>{n});
  }
  f(Columns<0>{n});
}

template <class T, int count, class F>
[[gnu::always_inline]] inline void each_vector(Columns<count> columns, F f) {
  if constexpr (count > 0) {
#pragma GCC unroll 8
    for (Size v = 0; v < count; ++v) f(v * Vec<T>::size, Whole{});
  } else {
    each_vector<T>(columns.n, f);
  }
}

/// f(first, count) for the blocks of some rows.
template <class T, class F>
[[gnu::always_inline]] inline void each_block(Size rows, F f) {
  for (Size i = 0; i < rows; i += PerRow<T>::most) f(i, min(PerRow<T>::most, rows - i));
}

/// Lane i of the result is the sum of the lanes of v[i], for i < rows. v is used up.
template <class T, int W>
[[gnu::always_inline]] inline Vec<T> sum_rows(Vec<T> (&v)[W], Size rows) {
  if (rows == 1) return sum_lanes(v[0]);
#pragma GCC unroll 1
  for (Size i = rows; i < W; ++i) v[i] = Vec<T>::zero();
  Vec<T> all[W];
#pragma GCC unroll 16
  for (Size i = 0; i < W; ++i) all[i] = v[i];
  return fold_all<W / 2>(all);
}

/// The means of rows of n columns, of which v holds the sums in lanes. v is used up.
template <class T, int W>
[[gnu::always_inline]] inline PerRow<T> means(Vec<T> (&v)[W], Size rows, Size n) {
  PerRow<T> result;
  result.set(sum_rows(v, rows) / Vec<T>::broadcast(static_cast<T>(n)));
  return result;
}

/// What turns rows into z_hat = (z - mean) / rho.
template <class T>
struct Normalization {
  PerRow<T> mean, inverse_rho;
};

template <class T, int count>
[[gnu::always_inline]] inline Normalization<T> normalization(Rows<const T> z, Columns<count> columns, T epsilon) {
  using V = Vec<T>;
  const V n = V::broadcast(static_cast<T>(columns.n));
  Normalization<T> result;
  V totals[PerRow<T>::most];
#pragma GCC unroll 1
  for (Size i = 0; i < z.rows; ++i) {
    V total = V::zero();
    each_vector<T>(columns, [&](Size j, auto part) { total = total + load(z, i, j, part); });
    totals[i] = total;
  }
  result.mean = means(totals, z.rows, columns.n);
#pragma GCC unroll 1
  for (Size i = 0; i < z.rows; ++i) {
    const V mean = result.mean[i];
    V total = V::zero();
    each_vector<T>(columns, [&](Size j, auto part) {
      const V x = only<T>(load(z, i, j, part) - mean, part);
      total = V::fma(x, x, total);
    });
    totals[i] = total;
  }
  result.inverse_rho.set(V::broadcast(1) / V::sqrt(sum_rows(totals, z.rows) / n + V::broadcast(epsilon)));
  return result;
}

}  // namespace
}  // namespace ttt::ops
