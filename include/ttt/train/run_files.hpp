// SPDX-License-Identifier: MIT
// A training run on disk: its model, what its optimizer remembers, and where its data stand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ttt/export.hpp"
#include "ttt/model/model.hpp"

namespace ttt::detail {

/// The counts, words and texts of a run by name, as training.json holds them.
class TTT_EXPORT RunRecord {
 public:
  static constexpr Index most = Index{1} << 53;  // the largest count that every reader of JSON keeps

  /// Throws CheckpointError for a count that is not in 0 ... most.
  void put(const std::string& name, Index count);
  void put(const std::string& name, std::uint64_t word);
  void put(const std::string& name, std::string text) { values_[name] = std::move(text); }

  /// Each throws CheckpointError where no value of its type has this name.
  void get(const std::string& name, Index& count) const;  // 0 ... most
  void get(const std::string& name, std::uint64_t& word) const;
  void get(const std::string& name, std::string& text) const;

  /// All as JSON, and back.
  std::string json() const;
  static RunRecord parse(const std::string& json, const std::filesystem::path& where);

  const std::string& where() const { return where_; }  // the file it was read from

 private:
  std::map<std::string, std::variant<Index, std::string>> values_;
  std::string where_;
};

/// Structs of the model's parameters that an optimizer remembers, by name.
template <class P>
using NamedParams = std::vector<std::pair<std::string, P*>>;

/// Replaces the directory as a whole, as `save` does.
template <class T>
TTT_EXPORT void write_run(const std::filesystem::path& directory, const BasicModel<T>& model,
                          const NamedParams<const ModelParams<T>>& moments, const RunRecord& record);

/// `make` gets the model and says what else is to be filled; it may be called again, where a save replaces the
/// directory meanwhile. Throws CheckpointError.
template <class T>
TTT_EXPORT RunRecord read_run(const std::filesystem::path& directory,
                              const std::function<NamedParams<ModelParams<T>>(BasicModel<T>&&)>& make);

}  // namespace ttt::detail
