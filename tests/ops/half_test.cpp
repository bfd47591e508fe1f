// SPDX-License-Identifier: MIT
// 16-bit floating point: every code of both formats, against IEEE 754's definition.
#include "ops/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace ttt {
namespace {

/// The value of a finite code, from IEEE 754's definition.
double value_of(int code, int exponent_bits, int fraction_bits) {
  const int exponent = (code & 0x7fff) >> fraction_bits, fraction = code & ((1 << fraction_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                         : std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
  return (code & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class Format>
void check_format(int exponent_bits, int fraction_bits) {
  for (int code = 0; code < Format::infinity; ++code) {
    const double x = value_of(code, exponent_bits, fraction_bits);
    const auto c = static_cast<std::uint16_t>(code), negative = static_cast<std::uint16_t>(code | 0x8000);
    ASSERT_EQ(Format::decode(c), x);
    ASSERT_EQ(Format::decode(negative), -x);
    ASSERT_TRUE(std::signbit(Format::decode(negative)));
    ASSERT_EQ(Format::encode(x), c);
    ASSERT_EQ(Format::encode(-x), negative);

    // The next number is `next`, or what it would be if exponents went on: there, the upper half becomes infinite.
    const double next = value_of(code + 1, exponent_bits, fraction_bits), middle = x + (next - x) / 2;
    const auto even = static_cast<std::uint16_t>(code + code % 2), up = static_cast<std::uint16_t>(code + 1);
    ASSERT_EQ(Format::encode(middle), even) << code;
    ASSERT_EQ(Format::encode(std::nextafter(middle, 0.0)), c) << code;
    ASSERT_EQ(Format::encode(std::nextafter(middle, next)), up) << code;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Format::encode(infinity), Format::infinity);
  EXPECT_EQ(Format::decode(Format::infinity), std::numeric_limits<float>::infinity());
  EXPECT_EQ(Format::decode(Format::infinity | 0x8000), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(Format::encode(std::numeric_limits<double>::max()), Format::infinity);
  EXPECT_EQ(Format::encode(std::numeric_limits<double>::denorm_min()), 0);
  EXPECT_EQ(Format::encode(-std::numeric_limits<double>::denorm_min()), 0x8000);
  for (int code = Format::infinity + 1; code < 0x8000; ++code) {
    const float nan = Format::decode(static_cast<std::uint16_t>(code));
    ASSERT_TRUE(std::isnan(nan));
    ASSERT_EQ(Format::encode(static_cast<double>(nan)), code | 1 << (fraction_bits - 1));  // payload kept, made quiet
  }
  // A NaN whose payload lies below what the format keeps must not become infinite.
  EXPECT_GT(Format::encode(std::bit_cast<double>(0x7ff0000000000001)), Format::infinity);
}

TEST(Half, Float16IsExactBothWaysAndRoundsToEven) { check_format<detail::Float16>(5, 10); }

TEST(Half, Bfloat16IsExactBothWaysAndRoundsToEven) { check_format<detail::Bfloat16>(8, 7); }

}  // namespace
}  // namespace ttt
