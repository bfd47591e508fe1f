// SPDX-License-Identifier: MIT
// What the command line asks for.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ttt/base/error.hpp"
#include "ttt/model/config.hpp"

namespace demo {

/// A command line that means nothing.
struct UsageError : ttt::Error {
  using ttt::Error::Error;
};

struct Options {
  std::optional<std::filesystem::path> file;  // the text; none: the demo finds one
  double minutes = 2;
  std::optional<ttt::Index> steps;  // train for exactly so many instead
  std::filesystem::path out = "ttt-demo-model";
  ttt::Index seed = 1;
  ttt::SequenceType layer = ttt::SequenceType::linear;
  bool help = false;
};

/// Throws UsageError.
Options parse_options(const std::vector<std::string>& arguments);

extern const char* const usage;

}  // namespace demo
