// SPDX-License-Identifier: MIT
// Names of enums: one table for each, one way to look into it, and one answer to a number that it does not hold.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ttt/base/error.hpp"

namespace ttt::detail {

/// A row of a table of names. A table may have rows of another struct, with more columns than `value` and `name`.
template <class E>
struct Named {
  E value;
  const char* name;
};

/// "scalar, avx2", for messages.
template <class Row, std::size_t n>
std::string names_of(const Row (&table)[n]) {
  std::string all;
  for (const Row& row : table) all += (all.empty() ? "" : ", ") + std::string(row.name);
  return all;
}

/// Throws E, which names the enum, for a number that is none of its values.
template <class E = Error, class Row, std::size_t n>
[[noreturn]] void throw_unknown(const Row (&table)[n], decltype(Row::value) value, const char* enum_name) {
  throw E(std::string(enum_name) + ": expected one of " + names_of(table) + ", found number " +
          std::to_string(static_cast<long long>(value)));
}

/// The row of a value; throws as above.
template <class E = Error, class Row, std::size_t n>
const Row& row_of(const Row (&table)[n], decltype(Row::value) value, const char* enum_name) {
  for (const Row& row : table) {
    if (row.value == value) return row;
  }
  throw_unknown<E>(table, value, enum_name);
}

/// The value of this name, or none.
template <class Row, std::size_t n>
auto value_of(const Row (&table)[n], std::string_view name) -> std::optional<decltype(Row::value)> {
  for (const Row& row : table) {
    if (name == row.name) return row.value;
  }
  return {};
}

}  // namespace ttt::detail
