// SPDX-License-Identifier: MIT
// The place that the model is saved in.
#pragma once

#include <filesystem>

namespace demo {

/// Throws unless a model can be saved there, as far as can be said before there is one: better now than in two minutes.
void check_output(const std::filesystem::path& directory);

}  // namespace demo
