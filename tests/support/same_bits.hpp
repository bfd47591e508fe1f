// SPDX-License-Identifier: MIT
// Equality to the last bit as an assertion.
#pragma once

#include <gtest/gtest.h>

#include "ttt/testing/difference.hpp"

namespace ttt::support {

/// Of tensors, of positions, and of all that has a visitor: parameters, gradients, what is remembered of a stream.
template <class A>
::testing::AssertionResult same_bits(const A& a, const A& b) {
  const std::string difference = laws::difference(a, b);
  return difference.empty() ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << difference;
}

/// Of the states of a layer or of a model.
template <class State>
::testing::AssertionResult same_state(const State& a, const State& b) {
  return same_bits(a, b);
}

}  // namespace ttt::support
