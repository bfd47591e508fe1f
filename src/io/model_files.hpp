// SPDX-License-Identifier: MIT
// The files of a model directory, for `save` and for checkpoints of training runs, which hold more.
#pragma once

#include <filesystem>

#include "ttt/io/safetensors.hpp"
#include "ttt/model/model.hpp"

namespace ttt::detail {

template <class T, int Rank>
const T* stored_data(const Tensor<T, Rank>& t) {
  return t.data();
}
template <class T>
const Dense<T>* stored_data(const Dense<T>& W) {
  return &W;
}

template <class Source, class T, int Rank>
void read_tensor(const Source& source, const std::string& name, Tensor<T, Rank>& t, WeightFormat) {
  source.read(name, t.data(), t.size());
}
template <class Source, class T>
void read_tensor(const Source& source, const std::string& name, Dense<T>& W, WeightFormat format) {
  Tensor<T, 2> rows(W.shape());
  source.read(name, rows.data(), rows.size());
  W = Dense<T>(rows, format);
}

/// All tensors of `params` under their names, with `prefix` in front.
template <class T>
std::vector<TensorSource> tensor_sources(const ModelParams<T>& params, Dtype stored, const std::string& prefix = "") {
  std::vector<TensorSource> sources;
  ModelParams<T>::visit(
      [&](const std::string& name, const auto& t) {
        sources.push_back({prefix + name, stored, {t.shape().begin(), t.shape().end()}, stored_data(t)});
      },
      params);
  return sources;
}

/// Reads every tensor of `params`, whose shapes say what is expected, from where `prefix` + name is found; dense
/// weights get this format.
template <class T, class Source>
void read_tensors(const Source& source, const std::filesystem::path& where, const std::string& prefix,
                  ModelParams<T>& params, WeightFormat format = WeightFormat::full) {
  ModelParams<T>::visit(
      [&](const std::string& plain_name, auto& t) {
        const std::string name = prefix + plain_name;
        require<CheckpointError>(source.contains(name), where.string(), ": expected a tensor ", name, ", found none");
        const std::vector<Index> expected(t.shape().begin(), t.shape().end()), found = source.info(name).shape;
        require<CheckpointError>(found == expected, where.string(), ": tensor ", name, ": expected shape ",
                                 to_string(expected), ", found ", to_string(found));
        read_tensor(source, name, t, format);
      },
      params);
}

/// Writes config.json and model.safetensors into an existing directory.
template <class T>
void write_model_files(const BasicModel<T>& model, const std::filesystem::path& directory, Dtype stored);

}  // namespace ttt::detail
