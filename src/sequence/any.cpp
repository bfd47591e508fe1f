// SPDX-License-Identifier: MIT
// Names of the layers in the list.
#include "ttt/sequence/any.hpp"

#include "ttt/base/enums.hpp"

namespace ttt {

namespace {

constexpr detail::Named<SequenceType> types[] = {
#define TTT_NAME(name, layer) {SequenceType::name, #name},
    TTT_SEQUENCE_LAYERS(TTT_NAME)
#undef TTT_NAME
};

}  // namespace

void detail::throw_unknown(SequenceType type) { throw_unknown<ConfigError>(types, type, "SequenceType"); }

const char* name(SequenceType type) { return detail::row_of<ConfigError>(types, type, "SequenceType").name; }

std::optional<SequenceType> sequence_type(std::string_view name) { return detail::value_of(types, name); }

}  // namespace ttt
