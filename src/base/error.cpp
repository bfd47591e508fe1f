// SPDX-License-Identifier: MIT
// Writes messages, in one place: the checks that need one are many, and hardly one of them ever does.
#include "ttt/base/error.hpp"

#include <sstream>

namespace ttt::detail {

std::string message(std::initializer_list<MessagePart> parts) {
  std::ostringstream text;
  for (const MessagePart& part : parts) text << part;
  return text.str();
}

}  // namespace ttt::detail
