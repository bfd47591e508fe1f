// SPDX-License-Identifier: MIT
// Parameters in the order of their rows, as checkpoints have them.
#pragma once

#include "ttt/ops/dense.hpp"

namespace ttt::support {

template <class T, int Rank>
const Tensor<T, Rank>& in_rows(const Tensor<T, Rank>& t) {
  return t;
}

template <class T>
Tensor<T, 2> in_rows(const Dense<T>& W) {
  return W.tensor();
}

}  // namespace ttt::support
