// SPDX-License-Identifier: MIT
// Names of the layers in the list.
#include "ttt/sequence/any.hpp"

namespace ttt {

namespace {

constexpr const char* names[] = {
#define TTT_NAME(name, layer) #name,
    TTT_SEQUENCE_LAYERS(TTT_NAME)
#undef TTT_NAME
};

}  // namespace

void detail::throw_unknown(SequenceType type) {
  std::string all;
  for (const char* name : names) all += std::string(all.empty() ? "" : ", ") + name;
  throw ConfigError("sequence_type: expected one of " + all + ", found number " +
                    std::to_string(static_cast<int>(type)));
}

const char* name(SequenceType type) {
  const auto i = static_cast<std::size_t>(type);
  if (i >= sequence::count) detail::throw_unknown(type);
  return names[i];
}

std::optional<SequenceType> sequence_type(std::string_view name) {
  for (std::size_t i = 0; i < sequence::count; ++i) {
    if (name == names[i]) return static_cast<SequenceType>(i);
  }
  return {};
}

}  // namespace ttt
