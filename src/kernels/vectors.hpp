// SPDX-License-Identifier: MIT
// Several vectors that go through the same operations side by side. A long function of one vector is a chain of which
// each step waits for the one before; several chains fill the wait.
#pragma once

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

template <class T, int n>
struct Vectors {
  using V = Vec<T>;
  V at[n];

  /// f(0), f(1) ... as vectors.
  template <class F>
  [[gnu::always_inline]] static Vectors each(F f) {
    Vectors y;
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) y.at[i] = f(i);
    return y;
  }
  [[gnu::always_inline]] static Vectors broadcast(T x) {
    return each([&](int) { return V::broadcast(x); });
  }
  template <class Part>
  [[gnu::always_inline]] static Vectors load(const T* p, Part last) {
    return each([&](int i) { return i + 1 < n ? V::load(p + i * V::size, Whole{}) : V::load(p + i * V::size, last); });
  }
  template <class Part>
  [[gnu::always_inline]] void store(T* p, Part last) const {
#pragma GCC unroll 8
    for (int i = 0; i < n; ++i) {
      i + 1 < n ? at[i].store(p + i * V::size, Whole{}) : at[i].store(p + i * V::size, last);
    }
  }

  [[gnu::always_inline]] friend Vectors operator+(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return a.at[i] + b.at[i]; });
  }
  [[gnu::always_inline]] friend Vectors operator-(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return a.at[i] - b.at[i]; });
  }
  [[gnu::always_inline]] friend Vectors operator*(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return a.at[i] * b.at[i]; });
  }
  [[gnu::always_inline]] friend Vectors operator/(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return a.at[i] / b.at[i]; });
  }
  [[gnu::always_inline]] friend Vectors fma(const Vectors& a, const Vectors& b, const Vectors& c) {
    return each([&](int i) { return V::fma(a.at[i], b.at[i], c.at[i]); });
  }
  [[gnu::always_inline]] static Vectors larger(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return V::larger(a.at[i], b.at[i]); });
  }
  [[gnu::always_inline]] static Vectors smaller(const Vectors& a, const Vectors& b) {
    return each([&](int i) { return V::smaller(a.at[i], b.at[i]); });
  }
  [[gnu::always_inline]] static Vectors if_greater(const Vectors& a, const Vectors& b, const Vectors& x,
                                                   const Vectors& y) {
    return each([&](int i) { return V::if_greater(a.at[i], b.at[i], x.at[i], y.at[i]); });
  }
  [[gnu::always_inline]] static Vectors scale_by_power(const Vectors& a, const Vectors& shifted) {
    return each([&](int i) { return V::scale_by_power(a.at[i], shifted.at[i]); });
  }
};

/// n vectors of columns from j on in row i of any matrix.
template <class T, int n, class Part>
struct Place {
  Size i, j;
  Part last;

  [[gnu::always_inline]] Vectors<T, n> broadcast(T x) const { return Vectors<T, n>::broadcast(x); }
  [[gnu::always_inline]] Vectors<T, n> load(Rows<const T> m) const { return Vectors<T, n>::load(row(m, i) + j, last); }
  [[gnu::always_inline]] Vectors<T, n> load(Rows<T> m) const { return Vectors<T, n>::load(row(m, i) + j, last); }
  [[gnu::always_inline]] void store(Rows<T> m, const Vectors<T, n>& v) const { v.store(row(m, i) + j, last); }

  /// sum, and one vector after the other of v.
  [[gnu::always_inline]] Vec<T> add_to(Vec<T> sum, const Vectors<T, n>& v) const {
    for (int k = 0; k + 1 < n; ++k) sum = sum + v.at[k];
    return sum + only<T>(v.at[n - 1], last);
  }
};

/// f(place) for all elements of a matrix of that shape, with as many vectors at once as the registers take.
template <class T, class F>
[[gnu::always_inline]] inline void each_place(Rows<T> shape, F f) {
  constexpr int chains = Vec<T>::chains;
  constexpr Size W = Vec<T>::size;
  for (Size i = 0; i < shape.rows; ++i) {
    Size j = 0;
    if constexpr (chains > 1) {
      for (; j + chains * W <= shape.cols; j += chains * W) f(Place<T, chains, Whole>{i, j, {}});
    }
    for (; j + W <= shape.cols; j += W) f(Place<T, 1, Whole>{i, j, {}});
    if (j < shape.cols) f(Place<T, 1, First>{i, j, {shape.cols - j}});
  }
}

/// The largest of n elements.
template <class T>
T largest(const T* x, Size n) {
  using V = Vec<T>;
  V most = V::broadcast(x[0]);
  each_vector<T>(n, [&](Size j, auto part) {
    const V v = V::blend(V::load(x + j, part), most, part);
    most = V::larger(most, v);
  });
  T lanes[V::size];
  most.store(lanes, Whole{});
  for (Size h = V::size / 2; h > 0; h /= 2) {
    for (Size i = 0; i < h; ++i) lanes[i] = lanes[i] > lanes[i + h] ? lanes[i] : lanes[i + h];
  }
  return lanes[0];
}

}  // namespace
}  // namespace ttt::ops
