// SPDX-License-Identifier: MIT
// Two versions of one computation, ours and Eigen's: they are timed only after their results have been seen to agree.
// Eigen is compiled with the program's own flags, as in anybody's program: without -march=native it uses the
// instruction set that every x86-64 has.
#pragma once

#include <Eigen/Core>

#include "bench.hpp"
#include "difference.hpp"

namespace ttt::bench {

enum class Version { ttt, eigen };

/// Times `ours` or `eigens`, on one thread, and hands the meter to `report`. Both update `result` in place, which both
/// find as it is now.
template <class Ours, class Eigens, class Report>
void run(benchmark::State& state, Version version, Tensor<float, 2>& result, const Ours& ours, const Eigens& eigens,
         const Report& report) {
  const Tensor<float, 2> start = result;
  ours();
  const Tensor<float, 2> expected = result;
  result = start;
  eigens();
  if (!(difference(expected, result) < tolerance)) {
    state.SkipWithError("our result and Eigen's differ");
    return;
  }
  report(version == Version::ttt ? measure(state, 1, ours) : measure(state, 1, eigens));
}

inline const bool eigen_context_is_set = [] {
  benchmark::AddCustomContext("Eigen instruction sets", Eigen::SimdInstructionSetsInUse());
  return true;
}();

}  // namespace ttt::bench
