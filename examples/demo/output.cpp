// SPDX-License-Identifier: MIT
// Looks at what is there, and writes beside it for a moment, as a save will.
#include "output.hpp"

#include <string>

#include "ttt/base/error.hpp"

namespace demo {

namespace fs = std::filesystem;

void check_output(const fs::path& directory) {
  ttt::require(!directory.empty(), "--out: expected the name of a directory, found an empty one");
  fs::path path = fs::absolute(directory).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  if (fs::exists(path, error)) {
    ttt::require(fs::is_directory(path), directory.string(), ": expected a directory or nothing, found a file");
    ttt::require(!fs::equivalent(path, fs::current_path()), directory.string(),
                 ": expected a directory of the model's own, found the current directory");
    for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
      const std::string name = entry.path().filename().string();
      ttt::require(name == "config.json" || name == "model.safetensors", directory.string(),
                   ": expected a new directory or one with a model of this demo only, found ", name, " in it");
    }
    ttt::require(!error, directory.string(), ": cannot read: ", error.message());
  }
  const fs::path probe = path.string() + ".demo~";
  fs::create_directory(probe, error);
  ttt::require(!error, directory.string(), ": cannot create: ", error.message());
  fs::remove(probe, error);
}

}  // namespace demo
