// SPDX-License-Identifier: MIT
// Runs of training written and read.
#include "ttt/train/run_files.hpp"

#include <charconv>
#include <cstdint>
#include <set>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "base/hexadecimal.hpp"
#include "io/atomic_directory.hpp"
#include "io/file.hpp"
#include "io/file_names.hpp"
#include "io/model_files.hpp"
#include "io/parse_json.hpp"
#include "ttt/io/checkpoint.hpp"

namespace ttt::detail {

void RunRecord::put(const std::string& name, Index count) {
  require<CheckpointError>(0 <= count && count <= most, "a run's record: ", name, ": expected 0 ... ", most, ", found ",
                           count);
  values_[name] = count;
}

void RunRecord::put(const std::string& name, std::uint64_t word) { values_[name] = hexadecimal(word); }

void RunRecord::get(const std::string& name, Index& count) const {
  const auto found = values_.find(name);
  const Index* value = found == values_.end() ? nullptr : std::get_if<Index>(&found->second);
  require<CheckpointError>(value != nullptr && 0 <= *value && *value <= most, where_, ": key ", name,
                           ": expected an integer, 0 ... ", most, ", found ",
                           found == values_.end() ? "none"
                           : value                ? "another"
                                                  : "a text");
  count = *value;
}

void RunRecord::get(const std::string& name, std::string& text) const {
  const auto found = values_.find(name);
  const std::string* value = found == values_.end() ? nullptr : std::get_if<std::string>(&found->second);
  require<CheckpointError>(value != nullptr, where_, ": key ", name, ": expected a text, found ",
                           found == values_.end() ? "none" : "a number");
  text = *value;
}

void RunRecord::get(const std::string& name, std::uint64_t& word) const {
  std::string text;
  get(name, text);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, word, 16);
  require<CheckpointError>(text.size() == 16 && stop == end && error == std::errc(), where_, ": key ", name,
                           ": expected 16 hexadecimal digits, found \"", text.substr(0, 80), "\"");
}

std::string RunRecord::json() const {
  nlohmann::json json;
  for (const auto& [name, value] : values_) {
    json[name] = std::visit([](const auto& v) { return nlohmann::json(v); }, value);
  }
  try {
    return json.dump(2) + '\n';
  } catch (const nlohmann::json::exception& e) {
    throw CheckpointError(std::string("a run's record: expected names and texts in UTF-8, found: ") + e.what());
  }
}

RunRecord RunRecord::parse(const std::string& text, const std::filesystem::path& where) {
  RunRecord record;
  record.where_ = where.string();
  const nlohmann::json json = parse_json(text, record.where_);
  require<CheckpointError>(json.is_object(), record.where_, ": expected a JSON object, found ", excerpt(json));
  for (const auto& [name, value] : json.items()) {
    require<CheckpointError>(value.is_number_integer() || value.is_string(), record.where_, ": key ", name,
                             ": expected an integer or a text, found ", excerpt(value));
    if (value.is_string()) {
      record.put(name, value.get<std::string>());
    } else {
      // What is too large for an Index is too large for a count.
      const bool large = value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{most};
      record.values_[name] = large ? most + 1 : value.get<Index>();
    }
  }
  return record;
}

template <class T>
void write_run(const std::filesystem::path& directory, const BasicModel<T>& model,
               const NamedParams<const ModelParams<T>>& moments, const RunRecord& record) {
  const Dtype stored = std::is_same_v<T, double> ? Dtype::f64 : Dtype::f32;
  const std::string json = record.json();
  AtomicDirectory out(directory);
  write_model_files(model, out.path(), stored);
  std::vector<TensorSource> tensors;
  for (const auto& [name, params] : moments) {
    for (TensorSource& source : tensor_sources(*params, stored, name + ".")) tensors.push_back(std::move(source));
  }
  write_safetensors(out.path() / optimizer_file, tensors);
  write_text(out.path() / training_file, json);
  out.commit();
}

template <class T>
RunRecord read_run(const std::filesystem::path& directory,
                   const std::function<NamedParams<ModelParams<T>>(BasicModel<T>&&)>& make) {
  const std::filesystem::path tensors = directory / optimizer_file, run = directory / training_file;
  recover(directory);
  // A save that replaces the directory meanwhile replaces training.json too: then all is read again.
  std::string text;
  do {
    text = read_text(run);
    const NamedParams<ModelParams<T>> moments = make(load<T>(directory));
    const TensorFile file(tensors);
    std::set<std::string> unread(file.names().begin(), file.names().end());
    for (const auto& moment : moments) {
      const std::string prefix = moment.first + ".";
      read_tensors(file, tensors, prefix, *moment.second);
      ModelParams<T>::visit([&](const std::string& name, const auto&) { unread.erase(prefix + name); }, *moment.second);
    }
    require<CheckpointError>(unread.empty(), tensors.string(), ": tensor ", unread.empty() ? "" : *unread.begin(),
                             ": expected no tensor of this name, as this optimizer has none");
  } while (read_text(run) != text);
  return RunRecord::parse(text, run);
}

template TTT_EXPORT void write_run(const std::filesystem::path&, const BasicModel<float>&,
                                   const NamedParams<const ModelParams<float>>&, const RunRecord&);
template TTT_EXPORT void write_run(const std::filesystem::path&, const BasicModel<double>&,
                                   const NamedParams<const ModelParams<double>>&, const RunRecord&);
template TTT_EXPORT RunRecord read_run(const std::filesystem::path&,
                                       const std::function<NamedParams<ModelParams<float>>(BasicModel<float>&&)>&);
template TTT_EXPORT RunRecord read_run(const std::filesystem::path&,
                                       const std::function<NamedParams<ModelParams<double>>(BasicModel<double>&&)>&);

}  // namespace ttt::detail
