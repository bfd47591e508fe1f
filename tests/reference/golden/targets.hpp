// SPDX-License-Identifier: MIT
// Golden files give labels that the loss shifts by one; our losses take the target of every token.
#pragma once

#include "ttt/model.hpp"

namespace ttt::support {

inline Tensor<Token, 2> next_labels(View<const Token, 2> labels) {
  Tensor<Token, 2> targets(labels.shape());
  for (Index i = 0; i < labels.rows(); ++i) {
    for (Index t = 0; t < labels.cols(); ++t) targets[i][t] = t + 1 < labels.cols() ? labels[i][t + 1] : ignored_target;
  }
  return targets;
}

}  // namespace ttt::support
