// SPDX-License-Identifier: MIT
// Text that a model writes, shown while it does.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "ttt/model.hpp"

namespace demo {

/// Bytes to a terminal: what is not UTF-8 and what would control the terminal become the replacement character.
class SafeText {
 public:
  explicit SafeText(std::ostream& out) : out_(out) {}

  void put(char byte);
  /// To be called at the end: nothing more follows a character that was begun.
  void finish();

 private:
  std::ostream& out_;
  std::string begun_;  // the first bytes of a character
};

/// Writes the prompt and what the model continues it with, byte by byte. Returns the seconds that one byte took.
double write_sample(std::ostream& out, const ttt::Model& model, std::string_view prompt, ttt::Index length,
                    ttt::Index seed);

}  // namespace demo
