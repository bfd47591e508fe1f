// SPDX-License-Identifier: MIT
// Equality to the last bit, of tensors and of everything made of them.
#pragma once

#include <cstring>
#include <sstream>
#include <string>

#include "ttt/ops/parameters.hpp"
#include "ttt/sequence/state.hpp"

namespace ttt::laws {

/// Where two values differ, for a message; empty where they are the same to the last bit.
template <class T, int Rank>
std::string difference(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b) {
  std::ostringstream text;
  if (a.shape() != b.shape()) {
    text << "shapes " << to_string(a.shape()) << " and " << to_string(b.shape());
    return text.str();
  }
  for (Index i = 0; i < a.size(); ++i) {
    if (std::memcmp(a.data() + i, b.data() + i, sizeof(T)) == 0) continue;
    text << "element " << i << " of " << to_string(a.shape()) << ": " << a.data()[i] << " and " << b.data()[i]
         << ", difference " << a.data()[i] - b.data()[i];
    break;
  }
  return text.str();
}

template <class T>
std::string difference(const Dense<T>& a, const Dense<T>& b) {
  return difference(a.tensor(), b.tensor());
}

/// Of positions.
inline std::string difference(Index a, Index b) {
  return a == b ? std::string() : std::to_string(a) + " and " + std::to_string(b);
}

/// Of all that has a visitor: parameters, gradients, what is remembered of a stream.
template <class S>
requires requires(const S& s) { S::visit(detail::VisitNothing(), s, s); }
std::string difference(const S& a, const S& b) {
  std::string found;
  S::visit(
      [&](const std::string& name, const auto& x, const auto& y) {
        if (!found.empty()) return;
        const std::string here = difference(x, y);
        if (!here.empty()) found = name + ": " + here;
      },
      a, b);
  return found;
}

template <class Stream>
std::string difference(const State<Stream>& a, const State<Stream>& b) {
  if (a.batch() != b.batch()) return "batches " + difference(a.batch(), b.batch());
  for (std::size_t i = 0; i < a.streams.size(); ++i) {
    const std::string here = difference(a.streams[i], b.streams[i]);
    if (!here.empty()) return "stream " + std::to_string(i) + ": " + here;
  }
  return {};
}

/// Throws Error unless both are the same to the last bit. `where` says what was compared.
template <class A, class... Where>
void require_same_bits(const A& found, const A& expected, const Where&... where) {
  const std::string here = difference(found, expected);
  if (!here.empty()) require(false, where..., ": expected the same bits, found ", here);
}

}  // namespace ttt::laws
