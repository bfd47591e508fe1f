// SPDX-License-Identifier: MIT
// A directory of golden files: all of them checked in both precisions, with everything that is wrong as text.
#pragma once

#include <array>

#include "reference/golden/file.hpp"

namespace ttt::support {

struct GoldenResult {
  std::string kind, name;
  std::array<Deviation, 2> worst;  // in float, in double
};

struct GoldenReport {
  std::vector<GoldenResult> files;
  std::vector<std::string> skipped;  // kinds that belong to parts which the library does not have
  std::vector<std::string> failures;
};

GoldenReport check_golden_directory(const std::filesystem::path& directory);

}  // namespace ttt::support
