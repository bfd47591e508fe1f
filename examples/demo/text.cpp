// SPDX-License-Identifier: MIT
// Text out of a file, out of the program `bible`, or out of the sources that the demo was built from.
#include "text.hpp"

#include <stdio.h>  // popen, which is POSIX

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "ttt/base/error.hpp"

namespace demo {

namespace fs = std::filesystem;

namespace {

/// So that a device without end is not read for ever.
constexpr std::size_t most_bytes = std::size_t{1} << 28;

std::string read_file(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  ttt::require(status.type() != fs::file_type::directory, path.string(), ": expected a text file, found a directory");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  ttt::require(in.is_open(), path.string(), ": cannot open: ", std::strerror(errno));
  std::string bytes;
  std::vector<char> piece(std::size_t{1} << 16);
  do {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes.append(piece.data(), static_cast<std::size_t>(in.gcount()));
    ttt::require(bytes.size() <= most_bytes, path.string(), ": expected a text of at most ", most_bytes,
                 " bytes, found more");
  } while (in);
  ttt::require(in.eof() && !in.bad(), path.string(), ": cannot read: ", std::strerror(errno));
  return bytes;
}

/// Empty unless the program is there and prints all of it.
std::string read_bible() {
  FILE* pipe = popen("bible -f gen1:1-rev22:21 </dev/null 2>/dev/null", "r");
  if (pipe == nullptr) return {};
  std::string bytes;
  std::array<char, 1 << 16> piece;
  while (const std::size_t n = fread(piece.data(), 1, piece.size(), pipe)) bytes.append(piece.data(), n);
  constexpr std::size_t about_all = 4'000'000;
  return pclose(pipe) == 0 && bytes.size() >= about_all ? bytes : std::string();
}

std::string read_sources() {
  std::vector<fs::path> files;
  for (const char* part : {"include", "src", "tests", "examples", "bench"}) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry(fs::path(TTT_SOURCE_DIR) / part, error), end; !error && entry != end;
         entry.increment(error)) {
      const fs::path kind = entry->path().extension();
      if (entry->is_regular_file(error) && (kind == ".hpp" || kind == ".cpp")) {
        files.push_back(entry->path());
      }
    }
  }
  std::sort(files.begin(), files.end());
  std::string bytes;
  for (const fs::path& file : files) bytes += read_file(file);
  return bytes;
}

}  // namespace

Text read_text(const std::optional<fs::path>& file) {
  if (file) return {file->string(), read_file(*file)};
  if (std::string bible = read_bible(); !bible.empty()) return {"the King James Bible", std::move(bible)};
  return {"the sources of this project, as the King James Bible (Debian's package bible-kjv) is not there",
          read_sources()};
}

Split split(const Text& text, ttt::Index least) {
  const std::string_view bytes = text.bytes;
  const auto smallest = static_cast<std::size_t>(least);
  ttt::require(bytes.size() >= 4 * smallest, text.name, ": expected a text of at least ", 4 * smallest,
               " bytes, found ", bytes.size());
  const std::size_t training = bytes.size() - std::max(smallest, bytes.size() / 20);
  return {bytes.substr(0, training), bytes.substr(training)};
}

std::string_view prompt(std::string_view text) {
  constexpr std::size_t shortest = 60, usual = 100, longest = 300;
  const std::size_t line = text.find('\n');
  if (line < longest) {
    const std::string_view lines = text.substr(line + 1, longest);
    const std::size_t end = lines.find('\n', shortest);
    if (end != lines.npos) return lines.substr(0, end + 1);
  }
  return text.substr(0, usual);
}

}  // namespace demo
