// SPDX-License-Identifier: MIT
// Replaces a model directory as a whole: a save cut off at any moment leaves the old model or the new one.
#pragma once

#include <filesystem>

#include "io/file.hpp"

namespace ttt::detail {

/// A new directory beside the target, to be written into and then put in its place.
///
/// The target may be missing, or a directory. Its files of a model (file_names.hpp) are replaced, also those that the
/// new model does not have. Everything else in it, such as tokenizer.json or a .git directory, is carried over: the new
/// directory gets links to the same files, in directories of the same names, before it takes the old one's place. No
/// file that is not a model's is ever deleted unless it is in the target under the same name. Where a file cannot be
/// linked, with a directory of a model file's name inside, with a file in the target's place and for the current
/// directory, the constructor or `commit` refuses. A link to a directory stays, and the directory that it leads to is
/// replaced.
///
/// Everything throws CheckpointError.
class AtomicDirectory {
 public:
  /// The parent directory must exist. What killed writers left beside the target is removed.
  explicit AtomicDirectory(const std::filesystem::path& target);
  /// Without `commit`: removes what was written.
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Write here.
  const std::filesystem::path& path() const { return path_; }

  /// Brings all to the disk and puts it in the target's place; to be called once.
  void commit();

 private:
  std::filesystem::path target_, path_;
  Descriptor lock_;  // held while the writer lives
};

/// Call before reading a model directory. Where directories cannot be exchanged in one step, a save moves the old one
/// to `<name>.old~` for a moment; this moves it back if a save was killed just then.
void recover(const std::filesystem::path& directory);

}  // namespace ttt::detail
