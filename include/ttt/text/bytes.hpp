// SPDX-License-Identifier: MIT
// The plainest tokenizer: every byte is a token.
#pragma once

#include <string_view>
#include <vector>

#include "ttt/text/token.hpp"

namespace ttt {

/// The bytes of a text as tokens 0 ... 255, for models whose tokens are bytes.
inline std::vector<Token> bytes(std::string_view text) {
  std::vector<Token> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

}  // namespace ttt
