// SPDX-License-Identifier: MIT
// Reading and writing through POSIX, for what iostreams lack: reasons of failures, fsync, reads at an offset.
#include "io/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <system_error>

#include "base/hexadecimal.hpp"

namespace ttt::detail {
namespace fs = std::filesystem;

void throw_system_error(const char* action, const fs::path& path, int error) {
  throw CheckpointError(std::string("cannot ") + action + " " + path.string() + ": " +
                        std::generic_category().message(error));
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

InputFile::InputFile(const fs::path& path)
    // Without O_NONBLOCK, opening a pipe would wait for its writer.
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_.get() < 0) throw_system_error("open", path_, errno);
  struct stat status;
  if (::fstat(descriptor_.get(), &status) != 0) throw_system_error("read", path_, errno);
  require<CheckpointError>(S_ISREG(status.st_mode), path_.string(), ": expected a regular file, found something else");
  size_ = static_cast<Index>(status.st_size);
}

void InputFile::read(Index offset, void* out, Index bytes) const {
  auto* p = static_cast<std::byte*>(out);
  while (bytes > 0) {
    const ssize_t n = ::pread(descriptor_.get(), p, static_cast<std::size_t>(bytes), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("read", path_, errno);
    require<CheckpointError>(n > 0, path_.string(), ": expected ", size_, " bytes, found that it has shrunk to ",
                             offset);
    p += n;
    offset += n;
    bytes -= n;
  }
}

OutputFile::OutputFile(const fs::path& path) : path_(path) {
  std::error_code ignored;  // a path that cannot be looked at cannot be opened either
  const fs::file_type type = fs::status(path, ignored).type();
  require<CheckpointError>(type != fs::file_type::directory && !fs::is_other(fs::file_status(type)), path.string(),
                           ": expected a regular file or none, found something else");
  const fs::path part = path.string() + "." + unique_name() + std::string(part_suffix);
  descriptor_ = Descriptor(::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (descriptor_.get() < 0) throw_system_error("write", path_, errno);
  part_ = part;
}

OutputFile::~OutputFile() {
  if (!part_.empty()) ::unlink(part_.c_str());
}

void OutputFile::write(const void* data, Index bytes) {
  const auto* p = static_cast<const std::byte*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_.get(), p, static_cast<std::size_t>(bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_system_error("write", path_, errno);
    p += n;
    bytes -= n;
  }
}

void OutputFile::commit() {
  if (::fsync(descriptor_.get()) != 0) throw_system_error("write", path_, errno);
  if (std::rename(part_.c_str(), path_.c_str()) != 0) throw_system_error("write", path_, errno);
  part_.clear();
  sync(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

std::string read_text(const fs::path& path) {
  const InputFile file(path);
  require<CheckpointError>(file.size() <= max_text, path.string(), ": expected at most ", max_text, " bytes, found ",
                           file.size());
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, text.data(), file.size());
  return text;
}

void write_text(const fs::path& path, std::string_view text) {
  OutputFile file(path);
  file.write(text.data(), static_cast<Index>(text.size()));
  file.commit();
}

void sync(const fs::path& path) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) throw_system_error("open", path, errno);
  // EINVAL: a file system that has no such operation, on directories for example.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL) throw_system_error("sync", path, errno);
}

std::string unique_name() {
  std::random_device random;
  return hexadecimal(std::uint64_t{random()} << 32 | random());
}

}  // namespace ttt::detail
