// SPDX-License-Identifier: MIT
// What the optimizer does to all parameters at once.
#pragma once

#include "kernels/common.hpp"

namespace ttt::ops {
namespace {

/// Adds pieces of a long sum pairwise: call it with the pieces 0, 1, 2 ... in order. `levels` holds the open halves of
/// the tree, one for each bit of the number of pieces. With `last` the result is the whole sum.
inline double add_piece(double sum, Size piece, bool last, double* levels) {
  Size level = 0;
  for (Size n = piece; last ? n != 0 : n % 2 == 1; n /= 2, ++level) {
    if (n % 2 == 1) sum = levels[level] + sum;
  }
  if (!last) levels[level] = sum;
  return sum;
}

template <class T>
double sum_squares(const T* x, Size n) {
  using V = Vec<double>;
  constexpr Size piece = 4096;
  double levels[64];
  double total = 0;
  for (Size begin = 0; begin < n; begin += piece) {
    V squares = V::zero();
    each_vector<double>(min(piece, n - begin), [&](Size j, auto part) {
      const V v = V::load(x + begin + j, part);
      squares = V::fma(v, v, squares);
    });
    total = add_piece(sum(squares), begin / piece, begin + piece >= n, levels);
  }
  return total;
}

template <class T>
void adamw(AdamwStep step, Size n, const T* gradient, T* p, T* m, T* v) {
  using V = Vec<T>;
  const auto constant = [](double c) { return V::broadcast(static_cast<T>(c)); };
  const V beta1 = constant(step.beta1), rest1 = constant(1 - step.beta1);
  const V beta2 = constant(step.beta2), rest2 = constant(1 - step.beta2);
  const V unbias1 = constant(1 / step.correction1), unbias2 = constant(1 / step.correction2);
  const V decay = constant(1 - step.rate * step.weight_decay), rate = constant(-step.rate);
  const V epsilon = constant(step.epsilon), factor = constant(step.gradient_factor);
  each_vector<T>(n, [&](Size j, auto part) {
    const V g = factor * V::load(gradient + j, part);
    const V first = V::fma(beta1, V::load(m + j, part), rest1 * g);
    const V second = V::fma(beta2, V::load(v + j, part), rest2 * g * g);
    const V direction = first * unbias1 / (V::sqrt(second * unbias2) + epsilon);
    first.store(m + j, part);
    second.store(v + j, part);
    V::fma(rate, direction, decay * V::load(p + j, part)).store(p + j, part);
  });
}

}  // namespace
}  // namespace ttt::ops
