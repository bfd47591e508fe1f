// SPDX-License-Identifier: MIT
// The names of the files in a model directory, and which of them the library takes for its own.
#pragma once

#include <string_view>

namespace ttt::detail {

inline constexpr const char* config_file = "config.json";
inline constexpr const char* model_file = "model.safetensors";
inline constexpr const char* index_file = "model.safetensors.index.json";  // of a model in several files

// Of a training run:
inline constexpr const char* optimizer_file = "optimizer.safetensors";
inline constexpr const char* training_file = "training.json";

/// Whether a save replaces or removes a file of this name: those above, and the parts of a model in several files.
inline bool is_model_file(std::string_view name) {
  for (const char* known : {config_file, model_file, index_file, optimizer_file, training_file}) {
    if (name == known) return true;
  }
  return name.starts_with("model") && name.ends_with(".safetensors");
}

}  // namespace ttt::detail
