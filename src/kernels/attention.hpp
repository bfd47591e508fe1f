// SPDX-License-Identifier: MIT
// Softmax attention of one head, one page of keys after the other, so that no score outlives its page.
//
// Row t of a page's scores counts keys begin + t <= s < end + t only, cut to the page: causal where `end` says so,
// windowed where `begin` does. Forward, what lies outside is neither read into a result nor multiplied by 0.
#pragma once

#include "kernels/common.hpp"
#include "kernels/exp.hpp"
#include "kernels/tile.hpp"
#include "kernels/vectors.hpp"

namespace ttt::ops {
namespace {

/// The keys of a page that row t counts.
struct Band {
  Size first, last;

  Band(Size begin, Size end, Size t, Size keys) : first(within(begin + t, keys)), last(within(end + t, keys)) {}

  static Size within(Size s, Size keys) { return s < 0 ? 0 : min(s, keys); }
  Size size() const { return last - first; }
};

template <class T>
T exp_of(T x) {
  return exp(Vectors<T, 1>::broadcast(x)).at[0].first();
}

template <class T>
void rotate_halves(Rows<const T> table, bool inverse, Rows<T> x) {
  using V = Vec<T>;
  const Size half = table.cols / 2;
  for (Size t = 0; t < x.rows; ++t) {
    const T* cosine = row(table, t);
    const T* sine = cosine + half;
    for (Size head = 0; head + 2 * half <= x.cols; head += 2 * half) {
      each_vector<T>(half, [&](Size j, auto part) {
        const V a = load(x, t, head + j, part), b = load(x, t, head + half + j, part);
        const V c = V::load(cosine + j, part), s = V::load(sine + j, part);
        const V turn = inverse ? V::zero() - s : s;
        store(x, t, head + j, V::fma(V::zero() - turn, b, a * c), part);
        store(x, t, head + half + j, V::fma(turn, a, b * c), part);
      });
    }
  }
}

template <class T>
[[gnu::flatten]] void softmax_step(Size begin, Size end, Rows<T> S, T* most, T* total, Rows<T> O) {
  using V = Vec<T>;
  for (Size t = 0; t < S.rows; ++t) {
    const Band band(begin, end, t, S.cols);
    if (band.size() <= 0) continue;
    T* x = row(S, t) + band.first;
    const T of_page = largest(x, band.size());
    if (of_page > most[t]) {
      // What was summed relative to the old maximum is too large by this factor. Before the first page it is 0 of 0.
      const T factor = exp_of(most[t] - of_page);
      most[t] = of_page;
      total[t] = total[t] * factor;
      each_vector<T>(O.cols,
                     [&](Size j, auto part) { store(O, t, j, load(O, t, j, part) * V::broadcast(factor), part); });
    }
    V sum_of_page = V::zero();
    const Rows<T> line = {x, 1, band.size(), band.size()};
    each_place<T>(line, [&](auto at) {
      const auto e = exp(at.load(line) - at.broadcast(most[t]));
      at.store(line, e);
      sum_of_page = at.add_to(sum_of_page, e);
    });
    total[t] = total[t] + sum(sum_of_page);
  }
}

template <class T>
[[gnu::flatten]] void softmax_vjp(Size begin, Size end, const T* most, const T* total, const T* delta, Rows<T> S,
                                  Rows<T> dP) {
  using V = Vec<T>;
  for (Size t = 0; t < S.rows; ++t) {
    const Band band(begin, end, t, S.cols);
    const auto clear = [&](Size from, Size to) {
      if (from >= to) return;
      each_vector<T>(to - from, [&](Size j, auto part) {
        store(S, t, from + j, V::zero(), part);
        store(dP, t, from + j, V::zero(), part);
      });
    };
    if (band.size() <= 0) {
      clear(0, S.cols);
      continue;
    }
    clear(0, band.first);
    clear(band.last, S.cols);
    const T inverse = 1 / total[t];
    const Rows<T> p = {row(S, t) + band.first, 1, band.size(), band.size()};
    const Rows<T> d = {row(dP, t) + band.first, 1, band.size(), band.size()};
    each_place<T>(p, [&](auto at) {
      const auto weight = exp(at.load(p) - at.broadcast(most[t])) * at.broadcast(inverse);
      at.store(p, weight);
      at.store(d, weight * (at.load(d) - at.broadcast(delta[t])));
    });
  }
}

/// O_t += sum over the band of P_ts V_s, for N vectors of columns and as many tiles of R rows as O has.
template <class T, int R, int N, class Part>
[[gnu::noinline]] void band_tiles(const Rows<const T>& P, const T* values, Size stride, Size keys, Size begin, Size end,
                                  const Rows<T>& O, Part last) {
  for (Size t = 0; t < O.rows; t += R) {
    T* o = row(O, t);
    Tile<T, R, N> tile;
    each_in_tile<T, R, N>([&](int r, int v) { tile.at[r][v] = load_vector<T, N>(o + r * O.stride, v, last); });
    // All rows of the tile count the keys from the last one's first to the first one's last.
    const Band of_first(begin, end, t, keys), of_last(begin, end, t + R - 1, keys);
    const auto edge = [&](Size s) {
      each_in_tile<T, R, N>([&](int r, int v) {
        if (s < begin + t + r || s >= end + t + r) return;
        tile.at[r][v] = Vec<T>::fma(Vec<T>::broadcast(row(P, t + r)[s]),
                                    load_vector<T, N>(values + s * stride, v, last), tile.at[r][v]);
      });
    };
    Size s = of_first.first;
    for (; s < min(of_last.first, of_last.last); ++s) edge(s);
    if (s < of_first.last) {
      accumulate(tile, Strided<T>{row(P, t) + s, P.stride, 1}, values + s * stride, stride, of_first.last - s, last);
      s = of_first.last;
    }
    for (; s < of_last.last; ++s) edge(s);
    each_in_tile<T, R, N>([&](int r, int v) { store_vector<T, N>(o + r * O.stride, v, tile.at[r][v], last); });
  }
}

template <class T>
void add_band_matmul(const Rows<const T>& P, const Rows<const T>& V, Size begin, Size end, const Rows<T>& O) {
  each_panel<T, 4>(O.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    each_stretch<Vec<T>::tile_rows(N)>(O.rows, [&](Size i, Size rows, auto tile_rows) {
      constexpr int R = decltype(tile_rows)::value;
      band_tiles<T, R, N>(some_rows(P, i, rows), V.data + j, V.stride, V.rows, begin + i, end + i,
                          Rows<T>{row(O, i) + j, rows, 0, O.stride}, last);
    });
  });
}

template <class T>
void divide_rows(const T* divisor, Rows<T> x) {
  each_vector<T>(
      x, [&](Size i, Size j, auto part) { store(x, i, j, load(x, i, j, part) / Vec<T>::broadcast(divisor[i]), part); });
}

}  // namespace
}  // namespace ttt::ops
