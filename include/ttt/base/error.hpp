// SPDX-License-Identifier: MIT
// What the library throws, and the one function that throws it.
#pragma once

#include <initializer_list>
#include <ostream>
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

namespace detail {

/// Something that can be written into a message, whatever its type. Looks at it only.
class MessagePart {
 public:
  MessagePart(const char* text = "") : part_(text), write_(write_text) {}
  template <class T>
  MessagePart(const T& part) : part_(&part), write_(write<T>) {}

  friend std::ostream& operator<<(std::ostream& out, const MessagePart& message) {
    message.write_(out, message.part_);
    return out;
  }

 private:
  template <class T>
  static void write(std::ostream& out, const void* part) {
    out << *static_cast<const T*>(part);
  }
  static void write_text(std::ostream& out, const void* text) { out << static_cast<const char*>(text); }

  const void* part_;
  void (*write_)(std::ostream&, const void*);
};

/// All parts, written one after the other.
TTT_EXPORT std::string message(std::initializer_list<MessagePart> parts);

}  // namespace detail

/// Throws E with all `parts` written one after the other, unless `condition` holds.
template <class E = Error, class... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) throw E(detail::message({parts...}));
}

}  // namespace ttt
