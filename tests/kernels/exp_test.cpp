// SPDX-License-Identifier: MIT
// The accuracy of the kernels' exp, on scalar lanes: the other lanes give the same bits.
#include "kernels/exp.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/lanes_scalar.hpp"
#include "ttt/base/random.hpp"

namespace ttt::ops {
namespace {

template <class T>
T exp_of(T x) {
  return exp(Vectors<T, 1>::broadcast(x)).at[0].first();
}

/// The worst error over [low, high), in units of the last place.
template <class T>
double worst_exp(double low, double high) {
  Rng rng(1);
  double most = 0;
  for (int i = 0; i < 100000; ++i) {
    const T x = static_cast<T>(low + (high - low) * rng.uniform());
    const long double exact = std::exp(static_cast<long double>(x));
    const T rounded = static_cast<T>(exact);
    const T ulp = std::nextafter(rounded, std::numeric_limits<T>::infinity()) - rounded;
    most = std::max(most, static_cast<double>(std::abs(exp_of(x) - exact) / ulp));
  }
  return most;
}

TEST(KernelExp, IsWithinOneAndAHalfUlp) {
  EXPECT_LE(worst_exp<float>(-1, 1), 1.5);
  EXPECT_LE(worst_exp<float>(-87.3, 88.7), 1.5);
  EXPECT_LE(worst_exp<double>(-1, 1), 1.5);
  EXPECT_LE(worst_exp<double>(-708.3, 709.7), 1.5);
}

template <class T>
void check_edges() {
  using limits = std::numeric_limits<T>;
  const T largest = std::log(limits::max()), least = std::log(limits::min());
  T last_finite = std::nextafter(largest, T(0)), first_normal = std::nextafter(least, T(0));
  EXPECT_TRUE(std::isfinite(exp_of(last_finite)));
  EXPECT_GE(exp_of(first_normal), limits::min());
  EXPECT_EQ(exp_of(std::nextafter(std::nextafter(largest, limits::infinity()), limits::infinity())),
            limits::infinity());
  EXPECT_EQ(exp_of(std::nextafter(std::nextafter(least, -limits::infinity()), -limits::infinity())), T(0));
  EXPECT_EQ(exp_of(limits::max()), limits::infinity());
  EXPECT_EQ(exp_of(limits::infinity()), limits::infinity());
  EXPECT_EQ(exp_of(-limits::max()), T(0));
  EXPECT_EQ(exp_of(-limits::infinity()), T(0));
  EXPECT_EQ(exp_of(T(0)), T(1));
  EXPECT_EQ(exp_of(-T(0)), T(1));
  EXPECT_TRUE(std::isnan(exp_of(limits::quiet_NaN())));
}

TEST(KernelExp, OverflowsUnderflowsAndPassesNan) {
  check_edges<float>();
  check_edges<double>();
}

}  // namespace
}  // namespace ttt::ops
