// SPDX-License-Identifier: MIT
// Tensors in files of the safetensors format: read with every claim of the file checked first, and written.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "ttt/ops/dense.hpp"

namespace ttt {

/// The format's element types, after its names F64, F32, F16, BF16, ... The f8 types are known by name and size only.
enum class Dtype { f64, f32, f16, bf16, f8_e4m3, f8_e5m2, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

TTT_EXPORT const char* name(Dtype dtype);
TTT_EXPORT Index byte_size(Dtype dtype);

/// What a file says of one tensor.
struct TensorInfo {
  Dtype dtype;
  std::vector<Index> shape;  // row-major; empty for a single number

  TTT_EXPORT Index size() const;
};

/// What tensors are read into.
template <class T>
concept TensorElement =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;

namespace detail {
class InputFile;
}

/// One open file. The constructor checks the whole header, so that later only reading can fail. Data stay on disk until
/// `read`. Threads may share a file. Everything throws CheckpointError with the file, the tensor, and what was expected
/// and found.
class TTT_EXPORT TensorFile {
 public:
  explicit TensorFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const;
  const std::vector<std::string>& names() const { return names_; }  // in the order of the data
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const { return entry(name).info; }

  /// All n elements of a tensor: F64, F32, F16 and BF16 into float or double, I64 and I32 into integers. A finite
  /// number that T cannot hold is an error.
  template <TensorElement T>
  void read(const std::string& name, T* out, Index n) const;

 private:
  struct Entry {
    TensorInfo info;
    Index offset;  // from the start of the file
  };

  const Entry& entry(const std::string& name) const;
  std::string where(const std::string& name) const;

  std::shared_ptr<const detail::InputFile> file_;
  std::vector<std::string> names_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// The tensors of a model directory: those of `model.safetensors`, or else of the files that
/// `model.safetensors.index.json` names. Index and files must agree on every tensor.
class TTT_EXPORT TensorDirectory {
 public:
  explicit TensorDirectory(const std::filesystem::path& directory);

  const std::vector<TensorFile>& files() const { return files_; }
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return find(name) != nullptr; }
  const TensorInfo& info(const std::string& name) const { return file(name).info(name); }

  template <TensorElement T>
  void read(const std::string& name, T* out, Index n) const {
    file(name).read(name, out, n);
  }

 private:
  const TensorFile* find(const std::string& name) const;
  const TensorFile& file(const std::string& name) const;

  std::filesystem::path directory_;
  std::vector<TensorFile> files_;
};

/// One tensor to be written, contiguous in memory or a dense layer's weights. Floating-point data are stored as F64,
/// F32, F16 or BF16 (rounded to nearest even; a finite number that becomes infinite is an error), integers as I64.
struct TensorSource {
  std::string name;
  Dtype dtype;  // in the file
  std::vector<Index> shape;
  std::variant<const float*, const double*, const std::int64_t*, const Dense<float>*, const Dense<double>*> data;
};

/// Writes a file, tensors in the order given. `path` is replaced when the new file is complete and on disk, or not at
/// all.
TTT_EXPORT void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                                  const std::map<std::string, std::string>& metadata = {});

}  // namespace ttt
