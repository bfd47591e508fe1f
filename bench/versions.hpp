// SPDX-License-Identifier: MIT
// Two versions of one computation, ours and Eigen's: they are timed only after their results have been seen to agree.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ttt/tensor.hpp"

namespace ttt::bench {

enum class Version { ttt, eigen };

/// Largest difference, in units of the largest value of `a`. Infinite for what is not a number.
inline float difference(const Tensor<float, 2>& a, const Tensor<float, 2>& b) {
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

/// Times `ours` or `eigens`. Both update `result` in place, which both find as it is now.
template <class Ours, class Eigens>
void run(benchmark::State& state, Version version, Tensor<float, 2>& result, const Ours& ours, const Eigens& eigens) {
  const Tensor<float, 2> start = result;
  ours();
  const Tensor<float, 2> expected = result;
  result = start;
  eigens();
  if (!(difference(expected, result) < tolerance)) {
    state.SkipWithError("our result and Eigen's differ");
    return;
  }
  const auto loop = [&](const auto& body) {
    for (auto _ : state) {
      body();
      benchmark::ClobberMemory();
    }
  };
  if (version == Version::ttt) {
    loop(ours);
  } else {
    loop(eigens);
  }
}

}  // namespace ttt::bench
