// SPDX-License-Identifier: MIT
// Equality to the last bit, of tensors and of everything made of them.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <variant>

#include "support/in_rows.hpp"
#include "ttt/model.hpp"

namespace ttt::support {

template <class T, int Rank>
::testing::AssertionResult same_bits(const Tensor<T, Rank>& a, const Tensor<T, Rank>& b) {
  if (a.shape() != b.shape()) {
    return ::testing::AssertionFailure() << "shapes " << to_string(a.shape()) << " and " << to_string(b.shape());
  }
  for (Index i = 0; i < a.size(); ++i) {
    if (std::memcmp(a.data() + i, b.data() + i, sizeof(T)) != 0) {
      return ::testing::AssertionFailure() << "element " << i << " of " << to_string(a.shape()) << ": " << a.data()[i]
                                           << " and " << b.data()[i] << ", difference " << a.data()[i] - b.data()[i];
    }
  }
  return ::testing::AssertionSuccess();
}

/// Of positions.
inline ::testing::AssertionResult same_bits(Index a, Index b) {
  if (a == b) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << a << " and " << b;
}

template <class T>
::testing::AssertionResult same_bits(const Dense<T>& a, const Dense<T>& b) {
  return same_bits(in_rows(a), in_rows(b));
}

/// Of all that has a visitor: parameters, gradients, the state of one stream.
template <class S>
requires requires(const S& s) {
  S::visit([](const std::string&, const auto&, const auto&) {}, s, s);
}
::testing::AssertionResult same_bits(const S& a, const S& b) {
  ::testing::AssertionResult result = ::testing::AssertionSuccess();
  S::visit(
      [&](const std::string& name, const auto& x, const auto& y) {
        const ::testing::AssertionResult same = same_bits(x, y);
        if (result && !same) result = ::testing::AssertionFailure() << name << ": " << same.message();
      },
      a, b);
  return result;
}

/// Of the states of a layer or of a model.
template <class State>
requires requires(const State& s) { s.streams; }
::testing::AssertionResult same_state(const State& a, const State& b) {
  if (a.batch() != b.batch()) return ::testing::AssertionFailure() << "batches " << a.batch() << " and " << b.batch();
  for (std::size_t i = 0; i < a.streams.size(); ++i) {
    const ::testing::AssertionResult same = same_bits(a.streams[i], b.streams[i]);
    if (!same) return ::testing::AssertionFailure() << "stream " << i << ": " << same.message();
  }
  return ::testing::AssertionSuccess();
}

}  // namespace ttt::support
