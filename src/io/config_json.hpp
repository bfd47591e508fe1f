// SPDX-License-Identifier: MIT
// The one mapping between ModelConfig and the keys of a Hugging Face config.json.
#pragma once

#include <filesystem>

#include "ttt/io/safetensors.hpp"
#include "ttt/model/config.hpp"

namespace ttt::detail {

/// Absent keys have the official implementation's defaults, unknown keys are ignored. The result is valid.
/// Throws CheckpointError naming file, key, expected and found.
ModelConfig read_config(const std::filesystem::path& file);

/// Writes resolved(config), with every key that the official implementation reads. `stored` is the floating-point type
/// of the model's tensors (`torch_dtype`).
void write_config(const std::filesystem::path& file, const ModelConfig& config, Dtype stored);

}  // namespace ttt::detail
