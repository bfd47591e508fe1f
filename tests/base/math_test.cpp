// SPDX-License-Identifier: MIT
// Our elementary functions against libm's in long double.
#include "base/math.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ttt/base/random.hpp"

namespace ttt {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double smallest = std::numeric_limits<double>::denorm_min();

/// How many numbers of double lie between `found` and the exact value.
double ulps(double found, long double exact) {
  const double rounded = static_cast<double>(exact);
  const double ulp = std::max(std::nextafter(std::abs(rounded), infinity) - std::abs(rounded), smallest);
  return static_cast<double>(std::abs(static_cast<long double>(found) - exact) / ulp);
}

/// The worst of f(x), in ulp, over x in [low, high).
template <class F, class Exact>
double worst(F f, Exact exact, double low, double high) {
  Rng rng(1);
  double most = 0;
  for (int i = 0; i < 200000; ++i) {
    const double x = low + (high - low) * rng.uniform();
    most = std::max(most, ulps(f(x), exact(static_cast<long double>(x))));
  }
  return most;
}

const auto exact_exp = [](long double x) { return std::exp(x); };
const auto exact_log = [](long double x) { return std::log(x); };
const auto exact_tanh = [](long double x) { return std::tanh(x); };

TEST(Math, Exp) {
  EXPECT_LE(worst(math::exp, exact_exp, -1, 1), 2);
  EXPECT_LE(worst(math::exp, exact_exp, -745, 709.7), 2);
  EXPECT_EQ(math::exp(0), 1);
  EXPECT_EQ(math::exp(-infinity), 0);
  EXPECT_EQ(math::exp(-746), 0);
  EXPECT_EQ(math::exp(710), infinity);
  EXPECT_EQ(math::exp(infinity), infinity);
  EXPECT_TRUE(std::isnan(math::exp(std::nan(""))));
}

TEST(Math, Log) {
  EXPECT_LE(worst(math::log, exact_log, 0, 1), 2);
  EXPECT_LE(worst(math::log, exact_log, 0.7, 1.5), 2);
  EXPECT_LE(worst(math::log, exact_log, 1, 1e300), 2);
  for (double x = smallest; x < 1e-300; x *= 3) EXPECT_LE(ulps(math::log(x), exact_log(x)), 2) << x;
  EXPECT_EQ(math::log(1), 0);
  EXPECT_EQ(math::log(0), -infinity);
  EXPECT_EQ(math::log(infinity), infinity);
  EXPECT_TRUE(std::isnan(math::log(-1)));
  EXPECT_TRUE(std::isnan(math::log(std::nan(""))));
}

TEST(Math, SinAndCos) {
  Rng rng(2);
  for (const double range : {1.0, 10.0, 1e3, 1e5}) {
    for (int i = 0; i < 100000; ++i) {
      const double x = range * (2 * rng.uniform() - 1);
      const long double exact = x;
      ASSERT_LE(std::abs(math::sin(x) - std::sin(exact)), 1e-15L) << x;
      ASSERT_LE(std::abs(math::cos(x) - std::cos(exact)), 1e-15L) << x;
    }
  }
  EXPECT_EQ(math::sin(0), 0);
  EXPECT_EQ(math::cos(0), 1);
  EXPECT_TRUE(std::isnan(math::sin(infinity)));
  EXPECT_TRUE(std::isnan(math::cos(std::nan(""))));
}

TEST(Math, Tanh) {
  EXPECT_LE(worst(math::tanh, exact_tanh, -1e-3, 1e-3), 4);
  EXPECT_LE(worst(math::tanh, exact_tanh, -3, 3), 4);
  EXPECT_LE(worst(math::tanh, exact_tanh, -40, 40), 4);
  EXPECT_EQ(math::tanh(infinity), 1);
  EXPECT_EQ(math::tanh(-1000), -1);
  EXPECT_TRUE(std::isnan(math::tanh(std::nan(""))));
}

// exp(y log x): the error of the product y log x is relative, so it grows with the exponent.
TEST(Math, Pow) {
  for (const double y : {-1.0, -0.5, -1.0 / 64, 0.25, 0.984375, 3.0}) {
    const long double exact = std::pow(10000.0L, static_cast<long double>(y));
    EXPECT_LE(ulps(math::pow(10000, y), exact), 4 + 4 * std::abs(y * std::log(10000.0))) << y;
  }
}

}  // namespace
}  // namespace ttt
