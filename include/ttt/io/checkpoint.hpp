// SPDX-License-Identifier: MIT
// Models on disk in the Hugging Face layout, as the official implementation reads and writes them: a directory with
// config.json and model.safetensors (or shards with model.safetensors.index.json).
#pragma once

#include <filesystem>

#include "ttt/export.hpp"
#include "ttt/io/safetensors.hpp"
#include "ttt/model/model.hpp"

namespace ttt {

/// Reads a model of any stored precision; its dense weights are kept in `format`, and never all of them in another.
/// Throws CheckpointError naming file and tensor; an unknown tensor and a missing one are errors.
template <class T = float>
TTT_EXPORT BasicModel<T> load(const std::filesystem::path& directory, WeightFormat format = WeightFormat::full);

/// Writes a model; stored as f32, f64, bf16 or f16. The directory is replaced as a whole: cut off at any moment, it
/// holds the old model or the new one. What is not a model's in it, such as a tokenizer's files, is kept. Throws
/// CheckpointError.
template <class T>
TTT_EXPORT void save(const BasicModel<T>& model, const std::filesystem::path& directory,
                     Dtype stored = std::is_same_v<T, double> ? Dtype::f64 : Dtype::f32);

}  // namespace ttt
