// SPDX-License-Identifier: MIT
// What the library throws, and the one function that throws it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace ttt {

/// Base of everything the library throws on purpose.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A tensor has another shape than the call needs.
struct ShapeError : Error {
  using Error::Error;
};

/// A configuration that no model can have.
struct ConfigError : Error {
  using Error::Error;
};

/// A file or directory that cannot be read or written as a model.
struct CheckpointError : Error {
  using Error::Error;
};

/// Training that cannot go on, such as a loss that is not finite.
struct TrainingError : Error {
  using Error::Error;
};

/// Throws E with all `parts` written one after the other, unless `condition` holds.
template <class E = Error, class... Parts>
void require(bool condition, const Parts&... parts) {
  if (condition) return;
  std::ostringstream message;
  (message << ... << parts);
  throw E(message.str());
}

}  // namespace ttt
