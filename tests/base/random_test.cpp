// SPDX-License-Identifier: MIT
// The generator gives the published numbers, everywhere, and the distributions have their moments.
#include "ttt/base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/laws.hpp"
#include "ttt/base/error.hpp"

namespace ttt {
namespace {

// The test vector of the authors' reference implementation.
TEST(Rng, IsXoshiro256PlusPlus) {
  Rng rng(0);
  rng.state = {1, 2, 3, 4};
  for (const std::uint64_t expected : {41943041u, 58720359u}) EXPECT_EQ(rng.next(), expected);
  EXPECT_EQ(rng.next(), 3588806011781223u);
  EXPECT_EQ(rng.next(), 3591011842654386u);
  EXPECT_EQ(rng.next(), 9228616714210784205u);
  EXPECT_EQ(rng.next(), 9973669472204895162u);
}

TEST(Rng, IsSeededBySplitmix64) {
  const std::array<std::uint64_t, 4> expected = {0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F,
                                                 0xF88BB8A8724C81EC};
  EXPECT_EQ(Rng(0).state, expected);
}

TEST(Rng, GivesTheSameNumbersOnEveryPlatform) {
  Rng rng(42);
  EXPECT_EQ(rng.next(), 0xD0764D4F4476689Fu);
  rng = Rng(42);
  EXPECT_EQ(rng.uniform(), 0x1.a0ec9a9e88ecdp-1);
  EXPECT_EQ(rng.uniform(), 0x1.467905d15dbccp-2);
  rng = Rng(42);
  EXPECT_EQ(rng.normal(), -0x1.89b975220657dp-1);
  EXPECT_EQ(rng.normal(), -0x1.bca4f7dbd8ae6p-1);
  EXPECT_EQ(rng.normal(), -0x1.82cf41a90fe19p+0);
  rng = Rng(7);
  for (const std::uint64_t expected : {1u, 6u, 8u, 6u, 2u, 5u, 8u, 2u}) EXPECT_EQ(rng.below(10), expected);
}

TEST(Rng, ContinuesFromItsState) {
  Rng a(5);
  for (int i = 0; i < 10; ++i) a.normal();
  Rng b(0);
  b.state = a.state;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.normal(), b.normal());
}

/// Mean of f(x) over n numbers; its standard error is deviation / sqrt(n).
template <class Draw, class F>
double mean(int n, Draw draw, F f) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += f(draw());
  return sum / n;
}

constexpr int draws = 1000000;
constexpr double errors = 5;  // standard errors: one false alarm in a million, and the seed is fixed

TEST(Rng, UniformHasItsMoments) {
  Rng rng(1);
  double low = 1, high = 0;
  const auto draw = [&] {
    const double x = rng.uniform();
    low = std::min(low, x);
    high = std::max(high, x);
    return x;
  };
  const double root_n = std::sqrt(draws);
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x; }), 0.5, errors * std::sqrt(1.0 / 12) / root_n);
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x * x; }), 1.0 / 3, errors * std::sqrt(4.0 / 45) / root_n);
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_LT(low, 1e-5);
  EXPECT_GT(high, 1 - 1e-5);
}

TEST(Rng, NormalHasItsMoments) {
  Rng rng(2);
  const auto draw = [&] { return rng.normal(); };
  const double root_n = std::sqrt(draws);
  // Deviations of x, x^2, x^3 and x^4 for a standard normal x.
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x; }), 0, errors / root_n);
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x * x; }), 1, errors * std::sqrt(2.0) / root_n);
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x * x * x; }), 0, errors * std::sqrt(15.0) / root_n);
  EXPECT_NEAR(mean(draws, draw, [](double x) { return x * x * x * x; }), 3, errors * std::sqrt(96.0) / root_n);
}

TEST(Rng, BelowTakesEveryValueAsOften) {
  Rng rng(3);
  std::vector<int> count(7);
  for (int i = 0; i < draws; ++i) ++count[rng.below(7)];
  const double p = 1.0 / 7;
  for (const int n : count) EXPECT_NEAR(n, draws * p, errors * std::sqrt(draws * p * (1 - p)));
}

// For 3 * 2^62 a plain remainder would give the values below 2^62 twice as often as the others.
TEST(Rng, BelowHasNoBiasForLargeBounds) {
  Rng rng(4);
  constexpr std::uint64_t quarter = std::uint64_t{1} << 62;
  int low = 0;
  for (int i = 0; i < draws; ++i) low += rng.below(3 * quarter) < quarter;
  EXPECT_NEAR(low, draws / 3.0, errors * std::sqrt(draws * 2.0 / 9));
}

TEST(Rng, BelowNeedsABound) { EXPECT_THROW(Rng(1).below(0), Error); }

TEST(Fill, UsesTheGenerator) {
  Rng a(6), b(6);
  const support::Threads with(3);
  std::vector<float> x(10001);  // of several tasks
  const View<float, 1> all(x.data(), {10001});
  fill_normal(all, 0.5, a);
  for (const float value : x) EXPECT_EQ(value, static_cast<float>(0.5 * b.normal()));
  fill_uniform(all, -2, 3, a);
  for (const float value : x) EXPECT_EQ(value, static_cast<float>(-2 + 5 * b.uniform()));
  const Tensor<double, 2> y = normal<double>(Shape<2>{2, 3}, a);
  for (const double value : y) EXPECT_EQ(value, b.normal());
}

}  // namespace
}  // namespace ttt
