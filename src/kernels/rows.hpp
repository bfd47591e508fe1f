// SPDX-License-Identifier: MIT
// What moves or combines whole rows: copies, rotary positions, causal convolutions, sums and products of elements.
#pragma once

#include "kernels/common.hpp"
#include "kernels/row_statistics.hpp"

namespace ttt::ops {
namespace {

template <class T>
void rotate(Rows<const T> table, Size first, bool inverse, Rows<T> x) {
  using V = Vec<T>;
  const Size head_dim = table.cols / 2;
  for (Size t = 0; t < x.rows; ++t) {
    const T* cosine = row(table, (first + t) % table.rows);
    const T* sine = cosine + head_dim;
    for (Size head = 0; head + head_dim <= x.cols; head += head_dim) {
      each_vector<T>(head_dim, [&](Size j, auto part) {
        const V z = load(x, t, head + j, part), s = V::load(sine + j, part);
        const V turned = V::fma(V::swap_neighbours(z), inverse ? V::zero() - s : s, z * V::load(cosine + j, part));
        store(x, t, head + j, turned, part);
      });
    }
  }
}

template <class T>
void convolve(Rows<const T> u, Rows<const T> weight, const T* bias, Rows<T> y) {
  using V = Vec<T>;
  each_vector<T>(y, [&](Size t, Size c, auto part) {
    V sum = V::load(bias + c, part);
    for (Size j = 0; j < weight.rows; ++j) sum = V::fma(load(weight, j, c, part), load(u, t + j, c, part), sum);
    store(y, t, c, sum, part);
  });
}

template <class T>
void convolve_vjp(Rows<const T> weight, Rows<const T> dy, Rows<T> du) {
  using V = Vec<T>;
  for (Size t = 0; t < dy.rows; ++t) {
    each_vector<T>(dy.cols, [&](Size c, auto part) {
      const V d = load(dy, t, c, part);
      for (Size j = 0; j < weight.rows; ++j) {
        store(du, t + j, c, V::fma(load(weight, j, c, part), d, load(du, t + j, c, part)), part);
      }
    });
  }
}

template <class T>
void copy(Rows<const T> x, Rows<T> y) {
  with_columns<T>(y.cols, [&](auto columns) {
    for (Size i = 0; i < y.rows; ++i) {
      each_vector<T>(columns, [&](Size j, auto part) { store(y, i, j, load(x, i, j, part), part); });
    }
  });
}

template <class T>
void add(Rows<const T> x, Rows<T> y) {
  each_vector<T>(y,
                 [&](Size i, Size j, auto part) { store(y, i, j, load(y, i, j, part) + load(x, i, j, part), part); });
}

template <class T>
void subtract(Rows<const T> a, Rows<const T> b, Rows<T> y) {
  each_vector<T>(y,
                 [&](Size i, Size j, auto part) { store(y, i, j, load(a, i, j, part) - load(b, i, j, part), part); });
}

template <class T>
void multiply(Rows<const T> a, Rows<const T> b, Rows<T> y) {
  each_vector<T>(y,
                 [&](Size i, Size j, auto part) { store(y, i, j, load(a, i, j, part) * load(b, i, j, part), part); });
}

template <class T>
void scale(T factor, Rows<T> x) {
  each_vector<T>(
      x, [&](Size i, Size j, auto part) { store(x, i, j, Vec<T>::broadcast(factor) * load(x, i, j, part), part); });
}

template <class T>
void dot(Rows<const T> a, Rows<const T> b, T* out) {
  using V = Vec<T>;
  for (Size i = 0; i < a.rows; ++i) {
    V total = V::zero();
    each_vector<T>(a.cols, [&](Size j, auto part) { total = V::fma(load(a, i, j, part), load(b, i, j, part), total); });
    out[i] = sum(total);
  }
}

}  // namespace
}  // namespace ttt::ops
