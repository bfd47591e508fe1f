// SPDX-License-Identifier: MIT
// Directories exchanged by rename, cleaned up by name, and never deleted with a stranger's file inside.
#include "io/atomic_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/syscall.h>
#endif

namespace ttt::detail {
namespace fs = std::filesystem;
namespace {

/// `<name>.<unique name>.new~` is what a writer fills; after the exchange, what it is about to remove.
constexpr std::string_view new_suffix = ".new~";
constexpr std::size_t unique_length = 17;  // with its dot

bool is_model_file(std::string name) {
  if (name.ends_with(part_suffix) && name.size() > unique_length + part_suffix.size()) {
    name.resize(name.size() - unique_length - part_suffix.size());
  }
  constexpr std::array others = {"config.json", "model.safetensors.index.json", "optimizer.safetensors",
                                 "training.json"};
  return std::find(others.begin(), others.end(), name) != others.end() ||
         (name.starts_with("model") && name.ends_with(".safetensors"));
}

/// Throws unless the directory is missing or holds files of a model only.
void refuse_strangers(const fs::path& directory) {
  std::error_code error, ignored;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return;
  if (error) throw_system_error("look at", directory, error.value());
  require<CheckpointError>(fs::is_directory(status), directory.string(),
                           ": expected a directory or nothing, found something else");
  require<CheckpointError>(!fs::equivalent(directory, fs::current_path(ignored), ignored), directory.string(),
                           ": expected a directory of the model's own, found the current directory");
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool is_directory = entry->symlink_status(ignored).type() == fs::file_type::directory;
    require<CheckpointError>(is_model_file(name) && !is_directory, directory.string(),
                             ": expected a new directory or one with files of a model only, found ", name);
  }
  if (error) throw_system_error("read", directory, error.value());
}

/// Deletes a model directory. If it holds a stranger's file after all, that file stays.
void remove_model(const fs::path& directory) {
  std::error_code ignored;  // what stays is tried again by the next save
  for (fs::directory_iterator entry(directory, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    if (is_model_file(entry->path().filename().string())) ::unlink(entry->path().c_str());
  }
  ::rmdir(directory.c_str());
}

fs::path with_suffix(const fs::path& path, std::string_view suffix) { return path.string() + std::string(suffix); }

/// The directory meant, absolute and with no link at its end; it need not exist, but its parent must.
fs::path resolve(const fs::path& given) {
  require<CheckpointError>(!given.empty(), "expected the path of a model directory, found an empty one");
  try {
    fs::path path = fs::absolute(given);
    if (!path.has_filename()) path = path.parent_path();
    constexpr int most_links = 40;  // as the system allows
    for (int links = 0; links < most_links && fs::is_symlink(path); ++links) {
      path = path.parent_path() / fs::read_symlink(path);
      if (!path.has_filename()) path = path.parent_path();
    }
    return fs::exists(path) ? fs::canonical(path) : fs::canonical(path.parent_path()) / path.filename();
  } catch (const fs::filesystem_error& e) {
    throw_system_error("find the parent directory of", given, e.code().value());
  }
}

/// True if the caller now holds the lock of a directory, which says that no living writer works in it.
bool lock(const Descriptor& directory) { return ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0; }

Descriptor open_directory(const fs::path& path) {
  return Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// Deletes what killed writers left beside the target.
void remove_left_overs(const fs::path& target) {
  const std::string begin = target.filename().string() + ".";
  const std::size_t length = begin.size() - 1 + unique_length + new_suffix.size();
  std::error_code ignored;
  for (fs::directory_iterator entry(target.parent_path(), ignored), end; !ignored && entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (name.size() != length || !name.starts_with(begin) || !name.ends_with(new_suffix)) continue;
    const Descriptor directory = open_directory(entry->path());
    if (directory.get() >= 0 && lock(directory)) remove_model(entry->path());
  }
}

bool is_same(const Descriptor& directory, const fs::path& path) {
  struct stat a, b;
  return ::fstat(directory.get(), &a) == 0 && ::lstat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/// Swaps two directories in one step; false where the system cannot.
bool exchange(const fs::path& a, const fs::path& b) {
#if defined(SYS_renameat2) && defined(RENAME_EXCHANGE)
  return ::syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#else
  static_cast<void>(a), static_cast<void>(b);
  return false;
#endif
}

/// 0 or errno.
int rename_directory(const fs::path& from, const fs::path& to) {
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

/// What rename says when the new name is a directory with files in it.
bool is_occupied(int error) { return error == ENOTEMPTY || error == EEXIST; }

/// The same where `exchange` cannot. Between the two steps only the old name `<b>.old~` is there: see recover.
/// Returns where the old `b` is now.
fs::path exchange_in_two_steps(const fs::path& a, const fs::path& b) {
  const fs::path old = with_suffix(b, ".old~");
  for (;;) {
    remove_model(old);  // of a save that was killed after its second step
    const int first = rename_directory(b, old);
    if (first != 0) throw_system_error("replace", b, first);
    const int second = rename_directory(a, b);
    if (second == 0) return old;
    if (is_occupied(second)) continue;  // a reader has recovered the old one just now
    rename_directory(old, b);
    throw_system_error("replace", b, second);
  }
}

void recover_resolved(const fs::path& directory) {
  std::error_code ignored;
  const fs::path old = with_suffix(directory, ".old~");
  if (fs::exists(fs::symlink_status(directory, ignored)) || !fs::is_directory(old, ignored)) return;
  const int error = rename_directory(old, directory);
  // Another process may have been faster.
  if (error != 0 && !fs::exists(directory, ignored)) throw_system_error("restore the model at", old, error);
}

}  // namespace

void recover(const fs::path& directory) { recover_resolved(resolve(directory)); }

AtomicDirectory::AtomicDirectory(const fs::path& target) : target_(resolve(target)) {
  recover_resolved(target_);
  refuse_strangers(target_);
  remove_left_overs(target_);
  for (;;) {
    path_ = with_suffix(target_, "." + unique_name() + std::string(new_suffix));
    if (::mkdir(path_.c_str(), 0777) != 0) throw_system_error("create", path_, errno);
    lock_ = open_directory(path_);
    if (lock_.get() < 0 && errno != ENOENT) throw_system_error("create", path_, errno);
    // Another writer may have taken this directory for a left-over before it was locked: then once more. Where there
    // are no locks, nobody removes left-overs.
    const bool taken = !lock(lock_) && errno == EWOULDBLOCK;
    if (!taken && is_same(lock_, path_)) break;
  }
}

AtomicDirectory::~AtomicDirectory() {
  if (!path_.empty()) remove_model(path_);
}

void AtomicDirectory::commit() {
  refuse_strangers(path_);
  refuse_strangers(target_);
  std::error_code error;
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end; entry.increment(error)) {
    sync(entry->path());
  }
  if (error) throw_system_error("read", path_, error.value());
  sync(path_);

  fs::path old;  // where the replaced directory is then
  const int failure = rename_directory(path_, target_);
  if (is_occupied(failure)) {
    fs::permissions(path_, fs::status(target_, error).permissions(), error);  // as before, as far as possible
    old = exchange(path_, target_) ? path_ : exchange_in_two_steps(path_, target_);
  } else if (failure != 0) {
    throw_system_error("write", target_, failure);
  }
  path_.clear();
  sync(target_.parent_path());
  if (!old.empty()) remove_model(old);
}

}  // namespace ttt::detail
