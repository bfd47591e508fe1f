// SPDX-License-Identifier: MIT
// The outer loss over rows of logits.
#pragma once

#include "base/math.hpp"
#include "kernels/common.hpp"
#include "kernels/exp.hpp"
#include "kernels/vectors.hpp"

namespace ttt::ops {
namespace {

template <class T>
void cross_entropy(Rows<T> logits, const std::int32_t* target, T factor, T* loss) {
  using V = Vec<T>;
  for (Size t = 0; t < logits.rows; ++t) {
    T* x = row(logits, t);
    if (target[t] < 0) {
      each_vector<T>(logits.cols, [&](Size j, auto part) { V::zero().store(x + j, part); });
      loss[t] = 0;
      continue;
    }
    const T most = largest(x, logits.cols), at_target = x[target[t]];
    V total = V::zero();
    const Rows<T> line = {x, 1, logits.cols, logits.cols};
    each_place<T>(line, [&](auto at) {
      const auto logit = at.load(line), e = exp(logit - at.broadcast(most));
      at.store(line, e);
      total = at.add_to(total, e);
    });
    const T partition = sum(total);
    each_vector<T>(logits.cols, [&](Size j, auto part) {
      (V::load(x + j, part) * V::broadcast(factor / partition)).store(x + j, part);
    });
    x[target[t]] -= factor;
    loss[t] = static_cast<T>(math::log(partition) + (static_cast<double>(most) - at_target));
  }
}

}  // namespace
}  // namespace ttt::ops
