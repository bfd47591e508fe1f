// SPDX-License-Identifier: MIT
// What the library throws, and the one function that throws it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "ttt/export.hpp"

namespace ttt {

/// Base of everything the library throws on purpose.
struct TTT_EXPORT Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A tensor has another shape than the call needs.
struct TTT_EXPORT ShapeError : Error {
  using Error::Error;
};

/// A token or target that is not in the vocabulary.
struct TTT_EXPORT TokenError : Error {
  using Error::Error;
};

/// A configuration that no model can have.
struct TTT_EXPORT ConfigError : Error {
  using Error::Error;
};

/// A file or directory that cannot be read or written as a model.
struct TTT_EXPORT CheckpointError : Error {
  using Error::Error;
};

/// Training that cannot go on, such as a loss that is not finite.
struct TTT_EXPORT TrainingError : Error {
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
