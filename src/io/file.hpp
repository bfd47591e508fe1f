// SPDX-License-Identifier: MIT
// Files: every failure is a CheckpointError that names the file and the system's reason.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "ttt/base/tensor.hpp"

namespace ttt::detail {

/// Throws CheckpointError: what could not be done to which path, and what errno says.
[[noreturn]] void throw_system_error(const char* action, const std::filesystem::path& path, int error);

/// Owns a file descriptor; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }

  int get() const { return number_; }

 private:
  int number_;
};

/// A regular file opened for reading. Reads do not move a position, so threads may share one.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  Index size() const { return size_; }
  void read(Index offset, void* out, Index bytes) const;

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  Index size_ = 0;
};

/// Ends the name of a file that is still being written: `model.safetensors.<unique name>.part~`.
inline constexpr std::string_view part_suffix = ".part~";

/// Writes beside `path`. `commit` puts the finished file there, on disk; without it, `path` stays as it was.
class OutputFile {
 public:
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, Index bytes);
  void commit();

 private:
  std::filesystem::path path_, part_;
  Descriptor descriptor_;
};

/// Bytes of a file that is read as JSON; the limit that the safetensors format has for its header.
inline constexpr Index max_text = 100'000'000;

std::string read_text(const std::filesystem::path& path);
void write_text(const std::filesystem::path& path, std::string_view text);

/// Brings a file, or the entries of a directory, to the disk.
void sync(const std::filesystem::path& path);

/// 16 hexadecimal digits, other ones at every call and in every process.
std::string unique_name();

}  // namespace ttt::detail
