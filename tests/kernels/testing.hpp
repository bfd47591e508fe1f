// SPDX-License-Identifier: MIT
// What the tests of kernels share: matrices with strides, the tables of this machine, comparison of bits.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/base/tensor.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::testing {

/// Rows that are longer than their contents, so that a kernel that writes past the end of a row is seen.
template <class T>
struct Matrix {
  Index rows, cols, stride;
  std::vector<T> data;

  Matrix(Index r, Index c, Rng& rng, double low = -1, double high = 1)
      : rows(r), cols(c), stride(c + 3), data(static_cast<std::size_t>(r * (c + 3))) {
    for (T& x : data) x = static_cast<T>(low + (high - low) * rng.uniform());
  }

  T& at(Index i, Index j) { return data[static_cast<std::size_t>(i * stride + j)]; }
  const T& at(Index i, Index j) const { return data[static_cast<std::size_t>(i * stride + j)]; }
  const T* row(Index i) const { return data.data() + i * stride; }
  T* row(Index i) { return data.data() + i * stride; }

  ops::Rows<const T> in() const { return in(0, rows); }
  ops::Rows<const T> in(Index first, Index n) const { return {row(first), n, cols, stride}; }
  ops::Rows<const T> in_columns(Index first, Index n) const { return {row(0) + first, rows, n, stride}; }
  ops::Rows<T> out() { return out(0, rows); }
  ops::Rows<T> out(Index first, Index n) { return {row(first), n, cols, stride}; }
  ops::Rows<T> out_columns(Index first, Index n) { return {row(0) + first, rows, n, stride}; }
};

/// The same numbers in another precision.
template <class U, class T>
Matrix<U> converted(const Matrix<T>& m) {
  Rng unused(0);
  Matrix<U> result(m.rows, m.cols, unused);
  for (Index i = 0; i < m.rows; ++i) {
    for (Index j = 0; j < m.cols; ++j) result.at(i, j) = static_cast<U>(m.at(i, j));
  }
  return result;
}

inline std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon}) {
    if (supported(isa)) isas.push_back(isa);
  }
  return isas;
}

template <class T>
const ops::Kernels<T>& kernels_of(Isa isa) {
  set_isa(isa);
  return ops::kernels<T>();
}

/// Equal bits, or both not a number.
template <class T>
bool same_bits(T a, T b) {
  return (std::isnan(a) && std::isnan(b)) || std::memcmp(&a, &b, sizeof a) == 0;
}

template <class T>
void expect_same_bits(const std::vector<Matrix<T>>& a, const std::vector<Matrix<T>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t m = 0; m < a.size(); ++m) {
    for (std::size_t i = 0; i < a[m].data.size(); ++i) {
      ASSERT_TRUE(same_bits(a[m].data[i], b[m].data[i]))
          << "matrix " << m << ", row " << static_cast<Index>(i) / a[m].stride << ", column "
          << static_cast<Index>(i) % a[m].stride << ": " << a[m].data[i] << " and " << b[m].data[i];
    }
  }
}

template <class T>
constexpr double epsilon = std::numeric_limits<T>::epsilon();

}  // namespace ttt::testing
