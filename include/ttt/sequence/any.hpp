// SPDX-License-Identifier: MIT
// Layers whose type is known at run time only: the one list of those that a block of a language model can run.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "ttt/sequence/attention/attention.hpp"
#include "ttt/sequence/ttt/ttt.hpp"

namespace ttt {

// THE list. LAYER(name in code and in checkpoints, the SequenceLayer with scalars of type T)
#define TTT_SEQUENCE_LAYERS(LAYER)               \
  LAYER(linear, sequence::Ttt<inner::Linear<T>>) \
  LAYER(mlp, sequence::Ttt<inner::Mlp<T>>)       \
  LAYER(attention, sequence::Attention<T>)

/// Which layer a block runs.
enum class SequenceType {
#define TTT_ENUMERATOR(name, layer) name,
  TTT_SEQUENCE_LAYERS(TTT_ENUMERATOR)
#undef TTT_ENUMERATOR
};

/// As in the list. Throws ConfigError for a number that is none of them.
TTT_EXPORT const char* name(SequenceType type);
namespace detail {
[[noreturn]] TTT_EXPORT void throw_unknown(SequenceType type);
}
/// The type of this name, or none.
TTT_EXPORT std::optional<SequenceType> sequence_type(std::string_view name);

namespace sequence {

template <class T, SequenceType>
struct Select;
#define TTT_SELECT(name, layer)          \
  template <class T>                     \
  struct Select<T, SequenceType::name> { \
    using type = layer;                  \
    static_assert(SequenceLayer<type>);  \
  };
TTT_SEQUENCE_LAYERS(TTT_SELECT)
#undef TTT_SELECT

/// The layer of a type, as a SequenceLayer.
template <class T, SequenceType type>
using Of = typename Select<T, type>::type;

#define TTT_ONE(name, layer) +1
inline constexpr std::size_t count = 0 TTT_SEQUENCE_LAYERS(TTT_ONE);
#undef TTT_ONE

template <class T, template <class> class Part, std::size_t... i>
std::variant<Part<Of<T, static_cast<SequenceType>(i)>>...> variant_of(std::index_sequence<i...>);

/// A variant of what each layer has of its own; the alternative's number is the layer's SequenceType.
template <class T, template <class> class Part>
using AnyOf = decltype(variant_of<T, Part>(std::make_index_sequence<count>()));

template <class S>
using ConfigOf = typename S::Config;
template <class S>
using ParamsOf = typename S::Params;
template <class S>
using StreamOf = typename S::Stream;
template <class S>
using RecordOf = typename S::Record;
template <class S>
using TablesOf = typename S::Tables;

using AnyConfig = AnyOf<float, ConfigOf>;
template <class T>
using AnyParams = AnyOf<T, ParamsOf>;
template <class T>
using AnyStream = AnyOf<T, StreamOf>;
template <class T>
using AnyRecord = AnyOf<T, RecordOf>;
template <class T>
using AnyTables = AnyOf<T, TablesOf>;

/// The layer S, number `number` of the list and of every variant.
template <class S, std::size_t number>
struct At {};

/// f(At<S, number>()) for the layer of a type. Throws ConfigError for a type that is not in the list.
template <class T, class F>
decltype(auto) with(SequenceType type, F&& f) {
  switch (type) {
#define TTT_CASE(name, layer) \
  case SequenceType::name:    \
    return f(At<Of<T, SequenceType::name>, static_cast<std::size_t>(SequenceType::name)>());
    TTT_SEQUENCE_LAYERS(TTT_CASE)
#undef TTT_CASE
  }
  detail::throw_unknown(type);
}

/// f(alternative of first, the same alternative of every other) for variants that hold the same one.
template <class F, class First, class... Rest>
void visit_alike(const F& f, First& first, Rest&... rest) {
  with<float>(static_cast<SequenceType>(first.index()), [&]<class S, std::size_t number>(At<S, number>) {
    f(std::get<number>(first), std::get<number>(rest)...);
  });
}

}  // namespace sequence

/// Which layer a block runs, and how that is configured.
struct SequenceConfig {
  SequenceType type = SequenceType::linear;
  std::optional<sequence::AnyConfig> config = {};  // alternative number `type`; empty: as the model says

  SequenceConfig() = default;
  SequenceConfig(SequenceType t) : type(t) {}
  SequenceConfig(SequenceType t, sequence::AnyConfig c) : type(t), config(std::move(c)) {}

  /// With a configuration of its own, such as SequenceConfig::with<SequenceType::attention>({.window = 512}).
  template <SequenceType type>
  static SequenceConfig with(typename sequence::Of<float, type>::Config config) {
    return {type, sequence::AnyConfig(std::in_place_index<static_cast<std::size_t>(type)>, std::move(config))};
  }

  friend bool operator==(const SequenceConfig&, const SequenceConfig&) = default;
};

namespace sequence {

/// f(At<S, number>(), the configuration) for the layer of a configuration that is complete.
template <class T, class F>
decltype(auto) with_config(const SequenceConfig& block, F&& f) {
  return with<T>(block.type, [&]<class S, std::size_t number>(At<S, number> layer) {
    return f(layer, std::get<number>(*block.config));
  });
}

}  // namespace sequence

}  // namespace ttt
