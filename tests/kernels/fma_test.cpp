// SPDX-License-Identifier: MIT
// The portable kernels' fused multiply-add rounds once, as libm's does, where rounding twice would give another result.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/lanes_scalar.hpp"
#include "kernels/testing.hpp"

namespace ttt::ops {
namespace {

using testing::same_bits;

::testing::AssertionResult is_fused(float a, float b, float c) {
  const float found =
      Vec<float>::fma(Vec<float>::broadcast(a), Vec<float>::broadcast(b), Vec<float>::broadcast(c)).first();
  const float expected = std::fma(a, b, c);
  if (same_bits(found, expected)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << a << " * " << b << " + " << c << ": " << found << " and not " << expected;
}

// c and half a unit of its last place, but for 2^-46 of the half: (1 + k 2^-23) (1 - k 2^-23) = 1 - k^2 2^-46.
TEST(KernelFma, RoundsOnceBesideTies) {
  for (int exponent = -149 + 23; exponent <= 100; ++exponent) {
    for (int k = 0; k < 40; ++k) {
      const float one = std::ldexp(1.0f, exponent);
      const float a = 1 + std::ldexp(static_cast<float>(k), -23), b = 1 - std::ldexp(static_cast<float>(k), -23);
      const float half_unit = std::ldexp(1.0f, -24);
      for (int odd = 0; odd < 4; ++odd) {
        const float c = one * (1 + std::ldexp(static_cast<float>(odd), -23));
        for (const float sign : {1.0f, -1.0f}) {
          ASSERT_TRUE(is_fused(a * half_unit, sign * b * one, c));
          ASSERT_TRUE(is_fused(a * half_unit, -sign * b * one, -c));
          ASSERT_TRUE(is_fused(a, sign * b * one, c));
        }
      }
    }
  }
}

TEST(KernelFma, HasTheSpecialValues) {
  using limits = std::numeric_limits<float>;
  const float values[] = {0.0f,
                          -0.0f,
                          1.0f,
                          -1.0f,
                          limits::denorm_min(),
                          -limits::denorm_min(),
                          limits::min(),
                          -limits::min(),
                          limits::max(),
                          -limits::max(),
                          limits::infinity(),
                          -limits::infinity(),
                          limits::quiet_NaN(),
                          limits::epsilon(),
                          0.1f};
  for (const float a : values) {
    for (const float b : values) {
      for (const float c : values) EXPECT_TRUE(is_fused(a, b, c));
    }
  }
}

// Of any exponents, and of some that meet.
TEST(KernelFma, RoundsRandomNumbersOnce) {
  Rng rng(1);
  const auto number = [&](int lowest, int range) {
    const int exponent = lowest + static_cast<int>(rng.below(static_cast<std::uint64_t>(range)));
    return std::ldexp(static_cast<float>(2 * rng.uniform() - 1), exponent);
  };
  for (int i = 0; i < 200000; ++i) {
    ASSERT_TRUE(is_fused(number(-140, 260), number(-140, 260), number(-140, 260)));
    ASSERT_TRUE(is_fused(number(-2, 4), number(-2, 4), number(-30, 60)));
  }
}

}  // namespace
}  // namespace ttt::ops
