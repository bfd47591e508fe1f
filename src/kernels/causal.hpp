// SPDX-License-Identifier: MIT
// The weighted sum over earlier rows of a mini-batch (the dual form), and its adjoint.
#pragma once

#include "kernels/common.hpp"
#include "kernels/tile.hpp"

namespace ttt {
namespace {

template <class T>
void causal_update(Rows<const T> P, Rows<const T> G, const T* scale, T bias_step, Size first, Rows<T> Z) {
  using V = Vec<T>;
  constexpr Size chunk = 64;
  each_panel<T>(Z.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    each_group<V::tile_rows>(Z.rows, [&](Size t, auto rows) {
      constexpr int R = decltype(rows)::value;
      T steps[R * chunk];  // P + bias_step
      Tile<T, R, N> u;
      each_in_tile<T, R, N>([&](int r, int v) { u.at[r][v] = V::zero(); });
      const Size shared = first + t + 1;  // rows of G that all rows of the tile see
      for (Size s = 0; s < shared; s += chunk) {
        const Size k = min(chunk, shared - s);
        for (int r = 0; r < R; ++r) {
          each_vector<T>(k, [&](Size p, auto part) {
            (V::load(row(P, t + r) + s + p, part) + V::broadcast(bias_step)).store(steps + r * chunk + p, part);
          });
        }
        accumulate(u, Strided<T>{steps, chunk, 1}, row(G, s) + j, G.stride, k, last);
      }
#pragma GCC unroll 8
      for (int e = 1; e < R; ++e) {  // the triangle
        const Size s = shared + e - 1;
        each_in_tile<T, R, N>([&](int r, int v) {
          if (r < e) return;
          const V step = V::broadcast(row(P, t + r)[s] + bias_step);
          u.at[r][v] = V::fma(step, load_vector<T, N>(row(G, s) + j, v, last), u.at[r][v]);
        });
      }
      each_in_tile<T, R, N>([&](int r, int v) {
        T* z = row(Z, t + r) + j;
        const V before = load_vector<T, N>(static_cast<const T*>(z), v, last);
        store_vector<T, N>(z, v, V::fma(V::broadcast(-scale[t + r]), u.at[r][v], before), last);
      });
    });
  });
}

template <class T>
void causal_update_vjp(const T* scale, T bias_step, Size first, Rows<T> P, Rows<T> R, T* d_scale) {
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
}  // namespace ttt
