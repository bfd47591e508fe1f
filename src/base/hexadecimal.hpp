// SPDX-License-Identifier: MIT
// 64 bits as text that no reader of numbers can round.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace ttt::detail {

/// 16 digits.
inline std::string hexadecimal(std::uint64_t word) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(word));
  return text;
}

}  // namespace ttt::detail
