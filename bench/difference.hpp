// SPDX-License-Identifier: MIT
// How far two results of one computation may lie apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "ttt/base/tensor.hpp"

namespace ttt::bench {

/// Largest difference, in units of the largest value of `a`. Infinite for what is not a number.
template <int Rank>
float difference(const Tensor<float, Rank>& a, const Tensor<float, Rank>& b) {
  float most = 0, apart = 0;
  for (Index i = 0; i < a.size(); ++i) {
    if (!std::isfinite(a.data()[i]) || !std::isfinite(b.data()[i])) return std::numeric_limits<float>::infinity();
    most = std::max(most, std::abs(a.data()[i]));
    apart = std::max(apart, std::abs(a.data()[i] - b.data()[i]));
  }
  return apart / most;
}

/// Rounding errors of a sum of n terms, taken in one order or another, differ by about sqrt(n) eps of its size: 2e-5
/// for the 32,000 terms of the longest sum here.
inline constexpr float tolerance = 2e-5f;

}  // namespace ttt::bench
