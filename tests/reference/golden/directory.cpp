// SPDX-License-Identifier: MIT
// Walks over a directory of golden files and decides which are there, which must not be, and how each is checked.
#include "reference/golden/directory.hpp"

#include <algorithm>
#include <exception>

namespace ttt::support {

namespace {

namespace fs = std::filesystem;

struct Kind {
  const char* name;
  void (*check)(GoldenFile& file);
  const char* ending;     // of its files
  const char* described;  // what they call themselves
};

constexpr const char* model_ending = ".expected.safetensors";
constexpr Kind kinds[] = {
    {"layer", check_layer, ".safetensors", "layer"}, {"decode", check_decode, ".safetensors", "decode"},
    {"block", check_block, ".safetensors", "block"}, {"model", check_model, model_ending, "model"},
    {"train", check_train, ".safetensors", "train"}, {"baselines", check_baseline, ".safetensors", "baseline"}};
constexpr const char* later_kinds[] = {"jax_stream", "rules", "rules_model", "tokenizer", "tokenizer_json"};

std::vector<fs::path> sorted_entries(const fs::path& directory) {
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end());
  return entries;
}

GoldenResult check_file(const Kind& kind, const fs::path& path, const std::string& name, GoldenReport& report) {
  GoldenResult result{kind.name, name, {}};
  for (const Precision precision : {Precision::f32, Precision::f64}) {
    const std::string full_name = std::string(kind.name) + "/" + name;
    try {
      GoldenFile file(path, full_name, precision);
      const std::string found = file.description().at("kind");
      require(found == kind.described, "expected a file of kind ", kind.described, ", found ", found);
      try {
        kind.check(file);
        file.check_that_nothing_is_left();
      } catch (const std::exception& e) {
        file.fail(e.what());
      }
      result.worst[precision == Precision::f32 ? 0 : 1] = file.worst();
      report.failures.insert(report.failures.end(), file.failures().begin(), file.failures().end());
    } catch (const std::exception& e) {
      report.failures.push_back(full_name + ": " + e.what());
    }
  }
  return result;
}

/// The layer of a file of another kind of layer, where the library does not have it yet.
std::string missing_layer(const Kind& kind, const fs::path& path) {
  if (kind.check != check_baseline) return {};
  const std::string layer = GoldenFile(path, "", Precision::f32).description().at("layer");
  return has_baseline(layer) ? std::string() : layer;
}

void check_kind(const Kind& kind, const fs::path& directory, GoldenReport& report) {
  const std::string ending = kind.ending;
  const std::size_t before = report.files.size();
  for (const fs::path& path : sorted_entries(directory)) {
    const std::string entry = path.filename().string();
    if (fs::is_regular_file(path) && entry.ends_with(ending)) {
      if (const std::string layer = missing_layer(kind, path); !layer.empty()) {
        report.skipped.push_back(std::string(kind.name) + "/" + entry + " (" + layer + ")");
        continue;
      }
      report.files.push_back(check_file(kind, path, entry.substr(0, entry.size() - ending.size()), report));
      continue;
    }
    const bool checkpoint = ending == model_ending && fs::is_regular_file(path.string() + ending);
    if (!checkpoint) report.failures.push_back(path.string() + ": expected files *" + ending + " only");
  }
  if (report.files.size() == before)
    report.failures.push_back(directory.string() + ": expected golden files, found none");
}

}  // namespace

GoldenReport check_golden_directory(const fs::path& directory) {
  GoldenReport report;
  if (!fs::is_directory(directory)) {
    report.failures.push_back(directory.string() + ": expected a directory of golden files, found none");
    return report;
  }
  std::vector<std::string> found;
  for (const fs::path& path : sorted_entries(directory)) found.push_back(path.filename().string());
  const auto take = [&](const std::string& name) { return std::erase(found, name) > 0; };
  take("README.md");
  take("manifest.json");
  for (const Kind& kind : kinds) {
    if (take(kind.name)) check_kind(kind, directory / kind.name, report);
  }
  for (const char* kind : later_kinds) {
    if (take(kind)) report.skipped.push_back(kind);
  }
  for (const std::string& unknown : found) {
    report.failures.push_back((directory / unknown).string() + ": expected known kinds of golden files only");
  }
  if (report.files.empty()) report.failures.push_back(directory.string() + ": expected golden files, found none");
  return report;
}

}  // namespace ttt::support
