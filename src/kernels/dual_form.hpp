// SPDX-License-Identifier: MIT
// An affine map whose weights take a gradient step at every row (the dual form), its adjoint, and the step itself.
#pragma once

#include "kernels/common.hpp"
#include "kernels/matmul.hpp"
#include "kernels/tile.hpp"

namespace ttt::ops {
namespace {

/// Minus the scales of the rows of elements first, first + 1 ... of a tile of R x C; lanes beyond the tile repeat the
/// last row's.
template <class V, int R, int C, class T>
[[gnu::always_inline]] inline V minus_each(const T* scale, int first) {
  if constexpr (R == 1) return V::broadcast(-scale[0]);
  T lanes[V::size];
#pragma GCC unroll 16
  for (int l = 0; l < V::size; ++l) lanes[l] = -scale[min((first + l) / C, R - 1)];
  return V::load(lanes, Whole{});
}

/// P_ij = -scale_i (A_i . B_j + bias_step) for R rows of A and as many tiles of C rows of B as `rows` has, one part of
/// the vectors after the other. Lengths that are whole vectors get code without the rest of a row: with it, GCC keeps
/// the tile in memory.
template <class T, int R, int C, bool ragged>
[[gnu::noinline]] void step_tiles(const T* a, Size a_stride, const T* b, Size b_stride, Size k, const T* scale,
                                  T bias_step, Size rows, T* P, Size P_stride) {
  using V = Vec<T>;
  using Part = typename V::Part;
  constexpr int lanes = (R * C + V::size - 1) / V::size * V::size;
  const Size whole = k / V::size * V::size;
  for (const T* end = P + rows; P < end; P += C) {
    V tile[R * C];
    const auto multiply_part = [&](auto part) {
      constexpr int h = decltype(part)::value;
      Part sum[R * C];
#pragma GCC unroll 16
      for (int t = 0; t < R * C; ++t) sum[t] = Part::zero();
      const auto step = [&](Size p, auto extent) {
        Part x[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) x[r] = V::template load_part<h>(a + r * a_stride + p, extent);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) {
          const Part y = V::template load_part<h>(b + c * b_stride + p, extent);
#pragma GCC unroll 8
          for (int r = 0; r < R; ++r) sum[r * C + c] = Part::fma(x[r], y, sum[r * C + c]);
        }
      };
      for (Size p = 0; p < whole; p += V::size) step(p, Whole{});
      if constexpr (ragged) step(whole, First{k - whole});
#pragma GCC unroll 16
      for (int t = 0; t < R * C; ++t) tile[t].template set_part<h>(sum[t]);
    };
    multiply_part(Constant<0>{});
    if constexpr (V::parts == 2) multiply_part(Constant<1>{});
    T dots[lanes];
    sum_each(tile, dots);
#pragma GCC unroll 8
    for (int i = 0; i < lanes; i += V::size) {
      const V step = V::load(dots + i, Whole{}) + V::broadcast(bias_step);
      (minus_each<V, R, C>(scale, i) * step).store(dots + i, Whole{});
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) __builtin_memcpy(P + r * P_stride, dots + r * C, sizeof(T) * C);
    b += C * b_stride;
  }
}

/// Elements P_ts with s > first + t, which nothing reads, are written or not.
template <class T, bool ragged>
void dual_form_steps(const Rows<const T>& x, const Rows<const T>& X, const T* scale, T bias_step, Size first,
                     const Rows<T>& P) {
  using V = Vec<T>;
  each_group<V::dot_rows>(x.rows, [&](Size t, auto group) {
    constexpr int R = decltype(group)::value;
    each_stretch<V::dot_cols>(first + t + R, [&](Size s, Size rows, auto cols) {
      constexpr int C = decltype(cols)::value;
      step_tiles<T, R, C, ragged>(row(x, t), x.stride, row(X, s), X.stride, x.cols, scale + t, bias_step, rows,
                                  row(P, t) + s, P.stride);
    });
  });
}

/// The sums over s <= first + t, for a product's tile of Z.
template <class T>
struct DualFormEpilogue {
  Rows<const T> P, G;
  Size first;

  template <int R, int N, class Part>
  [[gnu::always_inline]] void apply(Tile<T, R, N>& tile, Size t, Size j, Part last) const {
    const T* g = G.data + j;
    const Size shared = first + t + 1;  // rows of G that all rows of the tile see
    accumulate(tile, Strided<T>{row(P, t), P.stride, 1}, g, G.stride, shared, last);
    const T* p = row(P, t) + shared;
    g += shared * G.stride;
#pragma GCC unroll 8
    for (int e = 1; e < R; ++e) {  // the triangle: rows of G that only rows e ... of the tile see
      each_in_tile<T, R, N>([&](int r, int v) {
        if (r < e) return;
        tile.at[r][v] = Vec<T>::fma(Vec<T>::broadcast(p[r * P.stride]), load_vector<T, N>(g, v, last), tile.at[r][v]);
      });
      ++p;
      g += G.stride;
    }
  }
};

template <class T>
void apply_updated(const Rows<const T>& x, const OpenAffine<T>& map, const T* scale, T bias_step, Size first,
                   const Rows<T>& P, const Rows<T>& Z) {
  if (x.cols % Vec<T>::size == 0) {
    dual_form_steps<T, false>(x, map.X, scale, bias_step, first, P);
  } else {
    dual_form_steps<T, true>(x, map.X, scale, bias_step, first, P);
  }
  product<T, false>(x, map.W, map.b, false, DualFormEpilogue<T>{{P.data, P.rows, P.cols, P.stride}, map.G, first}, Z);
}

template <class T>
void commit(T scale, T bias_step, const Rows<const T>& X, const Rows<const T>& G, const Rows<T>& W, T* b) {
  static constexpr T one = 1;
  add_outer<T>(-scale, X, G, W);
  add_outer<T>(-scale * bias_step, {&one, G.rows, 1, 0}, G, {b, 1, G.cols, G.cols});
}

template <class T>
void dual_form_vjp(const T* scale, T bias_step, Size first, Rows<T> P, Rows<T> R, T* d_scale) {
  using V = Vec<T>;
  for (Size t = 0; t < P.rows; ++t) {
    const V minus_scale = V::broadcast(-scale[t]);
    const Size seen = first + t + 1;
    V total = V::zero();
    each_vector<T>(seen, [&](Size s, auto part) {
      const V step = only<T>(load(P, t, s, part) + V::broadcast(bias_step), part), r = load(R, t, s, part);
      total = V::fma(step, r, total);
      store(P, t, s, minus_scale * step, part);
      store(R, t, s, minus_scale * r, part);
    });
    d_scale[t] -= sum(total);
    each_vector<T>(P.cols - seen, [&](Size s, auto part) {
      store(P, t, seen + s, V::zero(), part);
      store(R, t, seen + s, V::zero(), part);
    });
  }
}

}  // namespace
}  // namespace ttt::ops
