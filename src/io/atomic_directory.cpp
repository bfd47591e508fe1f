// SPDX-License-Identifier: MIT
// Directories exchanged by rename, cleaned up by name, and no stranger's file in them ever lost.
#include "io/atomic_directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <system_error>

#ifdef __linux__
#include <linux/fs.h>
#include <sys/syscall.h>
#endif

#include "io/file_names.hpp"

namespace ttt::detail {
namespace fs = std::filesystem;
namespace {

/// `<name>.<unique name>.new~` is what a writer fills; after the exchange, what it is about to remove.
constexpr std::string_view new_suffix = ".new~";
constexpr std::size_t unique_length = 17;  // with its dot

/// A file of a model, or what a killed writer left of one.
bool is_replaced(std::string name) {
  if (name.ends_with(part_suffix) && name.size() > unique_length + part_suffix.size()) {
    name.resize(name.size() - unique_length - part_suffix.size());
  }
  return is_model_file(name);
}

/// Not a link to one.
bool is_real_directory(const fs::path& path) {
  std::error_code ignored;
  return fs::symlink_status(path, ignored).type() == fs::file_type::directory;
}

/// f(entry) for all that a directory holds.
template <class F>
void each_entry(const fs::path& directory, const F& f) {
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) f(*entry);
  if (error) throw_system_error("read", directory, error.value());
}

/// Throws unless the directory is missing or can be replaced.
void check_replaceable(const fs::path& directory) {
  std::error_code error, ignored;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) return;
  if (error) throw_system_error("look at", directory, error.value());
  require<CheckpointError>(fs::is_directory(status), directory.string(),
                           ": expected a directory or nothing, found something else");
  require<CheckpointError>(!fs::equivalent(directory, fs::current_path(ignored), ignored), directory.string(),
                           ": expected a directory of the model's own, found the current directory");
  each_entry(directory, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    require<CheckpointError>(!is_replaced(name) || !is_real_directory(entry.path()), directory.string(), ": expected ",
                             name, " to be a file of a model, found a directory");
  });
}

bool is_same_file(const fs::path& a, const fs::path& b) {
  struct stat first, second;
  return ::lstat(a.c_str(), &first) == 0 && ::lstat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

/// Gives `to` a link to everything in `from` that `skip` does not name and that it lacks, directory by directory.
void carry_over(const fs::path& from, const fs::path& to, bool (*skip)(std::string name)) {
  each_entry(from, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (skip(name)) return;
    const fs::path copy = to / name;
    if (is_real_directory(entry.path())) {
      const int failure = ::mkdir(copy.c_str(), 0700) == 0 ? 0 : errno;
      if (failure != 0 && !is_real_directory(copy)) throw_system_error("create", copy, failure);
      std::error_code ignored;  // as before, as far as possible
      carry_over(entry.path(), copy, [](std::string) { return false; });
      fs::permissions(copy, fs::status(entry.path(), ignored).permissions(), ignored);
      sync(copy);
    } else if (::linkat(AT_FDCWD, entry.path().c_str(), AT_FDCWD, copy.c_str(), 0) != 0 && errno != EEXIST) {
      throw_system_error("link into the new directory, where it would be kept,", entry.path(), errno);
    }
  });
}

/// Deletes what `target` holds as well, and directories that are empty then.
void remove_carried_over(const fs::path& directory, const fs::path& target) {
  std::error_code ignored;
  for (fs::directory_iterator entry(directory, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    const fs::path other = target / entry->path().filename();
    if (is_real_directory(entry->path())) {
      if (is_real_directory(other)) remove_carried_over(entry->path(), other);
    } else if (is_same_file(entry->path(), other)) {
      ::unlink(entry->path().c_str());
    }
  }
  ::rmdir(directory.c_str());
}

/// Deletes a model directory that `target` replaces. A file in it that is not a model's stays if the target lacks it.
void remove_model(const fs::path& directory, const fs::path& target) {
  std::error_code ignored;  // what stays is tried again by the next save
  for (fs::directory_iterator entry(directory, ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    if (is_replaced(entry->path().filename().string())) ::unlink(entry->path().c_str());
  }
  remove_carried_over(directory, target);
}

fs::path with_suffix(const fs::path& path, std::string_view suffix) { return path.string() + std::string(suffix); }

/// A new name for a directory that only a living writer keeps.
fs::path left_over(const fs::path& target) {
  return with_suffix(target, "." + unique_name() + std::string(new_suffix));
}

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
    if (directory.get() >= 0 && lock(directory)) remove_model(entry->path(), target);
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
    remove_model(old, b);  // of a save that was killed after its second step
    std::error_code ignored;
    if (fs::exists(old, ignored)) rename_directory(old, left_over(b));  // it holds a file that is nowhere else
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
  check_replaceable(target_);
  remove_left_overs(target_);
  for (;;) {
    path_ = left_over(target_);
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
  if (!path_.empty()) remove_model(path_, target_);
}

void AtomicDirectory::commit() {
  check_replaceable(target_);
  each_entry(path_, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    require<CheckpointError>(is_replaced(name), path_.string(), ": expected files of a model, found ", name);
    sync(entry.path());
  });
  std::error_code error;
  const bool replaces = fs::exists(target_, error);
  if (replaces) carry_over(target_, path_, is_replaced);
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
  if (old.empty()) return;
  try {
    carry_over(old, target_, is_replaced);  // what came since
  } catch (const CheckpointError&) {
    // The model is saved. What cannot be linked stays where it is.
  }
  remove_model(old, target_);
}

}  // namespace ttt::detail
