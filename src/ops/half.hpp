// SPDX-License-Identifier: MIT
// The two 16-bit floating-point formats of checkpoints: exact to float, and rounded to nearest even from double.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace ttt::detail {

/// A format of one sign bit, `exponent_bits` and `fraction_bits`, 16 in all, with IEEE 754's meaning.
template <int exponent_bits, int fraction_bits>
struct Half {
  static_assert(1 + exponent_bits + fraction_bits == 16);

  static constexpr std::uint16_t infinity = ((1u << exponent_bits) - 1u) << fraction_bits;
  static constexpr int min_exponent = 2 - (1 << (exponent_bits - 1));  // of the smallest normal number

  /// Works on bits alone, so that neither rounding mode nor flushing of denormals can change a result. A float goes
  /// through double without loss; a NaN stays one and keeps its sign and the top of its payload.
  static constexpr std::uint16_t encode(double x) {
    const auto bits = std::bit_cast<std::uint64_t>(x);
    const auto sign = static_cast<std::uint16_t>(bits >> 63 << 15);
    const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52) - 1);
    const int biased = static_cast<int>(bits >> 52 & 0x7ff);
    if (biased == 0x7ff) {
      const std::uint64_t payload = fraction == 0 ? 0 : fraction >> (52 - fraction_bits) | 1u << (fraction_bits - 1);
      return static_cast<std::uint16_t>(sign | infinity | payload);
    }
    const int above = biased - 1023 - min_exponent;  // negative: the result is denormal
    const std::uint64_t significand = fraction | std::uint64_t{1} << 52;
    const int shift = std::min(52 - fraction_bits + std::max(-above, 0), 54);  // 54: everything rounds to 0
    const std::uint64_t half = std::uint64_t{1} << (shift - 1);
    const std::uint64_t cut = significand & (2 * half - 1);
    std::uint64_t code = significand >> shift;
    if (cut > half || (cut == half && code % 2 == 1)) ++code;
    code += static_cast<std::uint64_t>(std::max(above, 0)) << fraction_bits;  // a carry runs into the exponent
    return static_cast<std::uint16_t>(sign | std::min<std::uint64_t>(code, infinity));
  }

  static constexpr float decode(std::uint16_t code) {
    const auto sign = static_cast<std::uint32_t>(code >> 15) << 31;
    const std::uint32_t rest = code & 0x7fffu;
    if constexpr (exponent_bits == 8) {
      return std::bit_cast<float>(sign | rest << 16);
    } else if (rest >= infinity) {
      return std::bit_cast<float>(sign | 0x7f800000u | (rest - infinity) << (23 - fraction_bits));
    } else if (rest >> fraction_bits == 0) {
      const float x = static_cast<float>(rest) * 0x1p-24f;  // [0, 2^10) units of the smallest denormal
      return sign == 0 ? x : -x;
    } else {
      return std::bit_cast<float>(sign | ((rest << (23 - fraction_bits)) + (112u << 23)));  // 112 = 127 - 15
    }
  }
};

using Float16 = Half<5, 10>;
using Bfloat16 = Half<8, 7>;

}  // namespace ttt::detail
