// SPDX-License-Identifier: MIT
// The text to learn from, and its division into what is trained on and what is held out.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "ttt/base/tensor.hpp"

namespace demo {

struct Text {
  std::string name;  // for people
  std::string bytes;
};

/// A file; without one, the King James Bible as Debian packages it, or else the sources of this project.
Text read_text(const std::optional<std::filesystem::path>& file);

struct Split {
  std::string_view training, held_out;  // parts of the text
};

/// Holds out the end of a text: a twentieth, but at least `least` bytes, which must not be more than a quarter.
Split split(const Text& text, ttt::Index least);

/// A line of the text, near its beginning, to continue from; or some bytes, where it has no lines.
std::string_view prompt(std::string_view text);

}  // namespace demo
