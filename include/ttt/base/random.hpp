// SPDX-License-Identifier: MIT
// Random numbers, the same on every platform, and the fresh values of parameters.
#pragma once

#include <array>
#include <cstdint>

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// xoshiro256++ (Blackman and Vigna), seeded through splitmix64. Its whole state is `state`, to be saved and restored.
class TTT_EXPORT Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  /// In [0, 1), 53 bits.
  double uniform();
  /// Mean 0, standard deviation 1 (Box-Muller; two numbers of `uniform` each).
  double normal();
  /// In 0 ... n - 1, every value as likely.
  std::uint64_t below(std::uint64_t n);

  static constexpr std::size_t words = 4;
  std::array<std::uint64_t, words> state;
};

/// Fills with normal(0, deviation^2).
template <class T>
TTT_EXPORT void fill_normal(View<T, 1> x, double deviation, Rng& rng);

/// Fills with uniform(low, high).
template <class T>
TTT_EXPORT void fill_uniform(View<T, 1> x, double low, double high, Rng& rng);

/// A tensor of independent normal(0, 1) numbers.
template <class T, std::size_t Rank>
Tensor<T, static_cast<int>(Rank)> normal(const std::array<Index, Rank>& shape, Rng& rng) {
  Tensor<T, static_cast<int>(Rank)> x(shape);
  fill_normal<T>(View<T, 1>(x.data(), {x.size()}), 1.0, rng);
  return x;
}

/// The same for a shape in braces.
template <class T, std::size_t Rank>
Tensor<T, static_cast<int>(Rank)> normal(const Index (&shape)[Rank], Rng& rng) {
  return normal<T>(std::to_array(shape), rng);
}

template <class T, std::size_t Rank, std::size_t n>
requires detail::OtherRank<n, Rank>
void normal(const Index (&shape)[n], Rng& rng) = delete;

}  // namespace ttt
