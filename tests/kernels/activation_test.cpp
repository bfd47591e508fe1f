// SPDX-License-Identifier: MIT
// Activations against their definitions in long double, derivatives against finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "kernels/testing.hpp"

namespace ttt {
namespace {

using testing::epsilon;
using testing::expect_same_bits;
using testing::kernels_of;
using testing::Matrix;
using testing::supported_isas;
using Real = long double;

constexpr Real root = 0.797884560802865355879892119869L;  // sqrt(2 / pi)
constexpr Real a0 = 0.79788456L, a1 = 0.1070322243L, cubic = 0.044715L;

Real logistic(Real a) { return 1 / (1 + std::exp(-a)); }
Real gelu(Real a) { return a / 2 * (1 + std::tanh(root * (a + cubic * a * a * a))); }
Real gelu_slope(Real a) {
  const Real tau = std::tanh(root * (a + cubic * a * a * a));
  return (1 + tau) / 2 + a / 2 * (1 - tau * tau) * root * (1 + 3 * cubic * a * a);
}
/// The official derivative inside the inner gradient, and the derivative of that.
Real inner_slope(Real a) {
  const Real tau = std::tanh(a0 * a * (1 + cubic * a * a));
  return a / 2 * (1 - tau * tau) * (a0 + a1 * a * a) + (1 + tau) / 2;
}
Real inner_curvature(Real a) {
  const Real tau = std::tanh(a0 * a * (1 + cubic * a * a)), w = (1 - tau * tau) / 2;
  const Real kappa = a0 * (1 + 3 * cubic * a * a);
  return w * (a0 + a1 * a * a) * (1 - 2 * a * tau * kappa) + w * (kappa + 2 * a1 * a * a);
}
Real silu(Real a) { return a * logistic(a); }
Real silu_slope(Real a) { return logistic(a) * (1 + a * (1 - logistic(a))); }

template <class T>
class Activations : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Activations, Scalars);

/// Compares a kernel with `expected` on numbers of -9 ... 9. The argument y of the logistic function has an error of a
/// few eps |y|, which exp(-|y|) turns into a relative error: at most a few eps times |y| exp(-|y|) times a polynomial,
/// and that product is at most of size 1 for GELU, and 10 for the second derivative.
template <class T>
void expect_values(const std::function<void(const ops::Kernels<T>&, const Matrix<T>&, Matrix<T>&)>& run,
                   Real (*expected)(Real), double roundings) {
  Rng rng(1);
  const Matrix<T> z(20, 101, rng, -9, 9);
  for (const Isa isa : supported_isas()) {
    Matrix<T> y(20, 101, rng);
    run(kernels_of<T>(isa), z, y);
    for (Index i = 0; i < z.rows; ++i) {
      for (Index j = 0; j < z.cols; ++j) {
        const Real a = z.at(i, j);
        const double exact = static_cast<double>(expected(a));
        ASSERT_NEAR(y.at(i, j), exact, roundings * epsilon<T> * (1 + std::abs(exact))) << name(isa) << " at " << a;
      }
    }
  }
}

template <class T>
Matrix<T> all(T value) {
  Rng rng(1);
  Matrix<T> m(20, 101, rng);
  std::fill(m.data.begin(), m.data.end(), value);
  return m;
}

TYPED_TEST(Activations, Values) {
  using T = TypeParam;
  using K = ops::Kernels<T>;
  using M = Matrix<T>;
  Rng rng(2);
  M ones(20, 101, rng, 1, 1), zeros(20, 101, rng, 0, 0);
  M rest = zeros;
  expect_values<T>([](const K& k, const M& z, M& y) { k.gelu(z.in(), y.out()); }, gelu, 8);
  expect_values<T>([&](const K& k, const M& z, M& y) { k.gelu_gate(ones.in(), z.in(), y.out()); }, gelu, 8);
  expect_values<T>([&](const K& k, const M& z, M& y) { k.silu_gate(z.in(), ones.in(), y.out()); }, silu, 8);
  expect_values<T>([](const K& k, const M& z, M& y) { k.sigmoid(z.in(), T(1), y.out()); }, logistic, 4);
  expect_values<T>(
      [&](const K& k, const M& z, M& y) {
        y = zeros;
        k.gelu_vjp(z.in(), ones.in(), y.out());
      },
      gelu_slope, 16);
  expect_values<T>([&](const K& k, const M& z, M& y) { k.gelu_gradient(z.in(), ones.in(), y.out()); }, inner_slope, 16);
  expect_values<T>(
      [&](const K& k, const M& z, M& y) { k.gelu_gradient_vjp(z.in(), ones.in(), ones.in(), y.out(), rest.out()); },
      inner_slope, 16);
  expect_values<T>(
      [&](const K& k, const M& z, M& y) {
        y = zeros;
        k.gelu_gradient_vjp(z.in(), ones.in(), ones.in(), rest.out(), y.out());
      },
      inner_curvature, 64);
  expect_values<T>(
      [&](const K& k, const M& z, M& y) { k.silu_gate_vjp(z.in(), ones.in(), ones.in(), y.out(), rest.out()); },
      silu_slope, 8);
  expect_values<T>([&](const K& k, const M& z, M& y) { k.sigmoid_vjp(z.in(), T(1), ones.in(), y.out()); },
                   [](Real a) { return logistic(a) * (1 - logistic(a)); }, 4);
}

TYPED_TEST(Activations, GeluAndSlopeAreGeluAndItsGradient) {
  using T = TypeParam;
  Rng rng(6);
  const Matrix<T> z(3, 50, rng, -12, 12), ones(3, 50, rng, 1, 1);
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    const ops::Kernels<T>& k = kernels_of<T>(isa);
    Matrix<T> y = z, slope = z, y_expected = z, slope_expected = z;
    k.gelu_and_slope(z.in(), y.out(), slope.out());
    k.gelu(z.in(), y_expected.out());
    k.gelu_gradient(z.in(), ones.in(), slope_expected.out());
    expect_same_bits<T>({y_expected, slope_expected}, {y, slope});
  }
}

// Products with the other operands, and sums where the contract has +=.
TYPED_TEST(Activations, Operands) {
  using T = TypeParam;
  Rng rng(3);
  constexpr Index rows = 4, cols = 37;
  const Matrix<T> z(rows, cols, rng, -3, 3), s(rows, cols, rng), d(rows, cols, rng), before(rows, cols, rng);
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    const ops::Kernels<T>& k = kernels_of<T>(isa);
    Matrix<T> g = z, ds = z, dz = before, vjp = before, gated = z, da = z, dg = z, silu_gated = z, d_gate = z, du = z,
              rate = z, d_rate = z;
    k.gelu_gradient(z.in(), s.in(), g.out());
    k.gelu_gradient_vjp(z.in(), s.in(), d.in(), ds.out(), dz.out());
    k.gelu_vjp(z.in(), d.in(), vjp.out());
    k.gelu_gate(s.in(), z.in(), gated.out());
    k.gelu_gate_vjp(s.in(), z.in(), d.in(), da.out(), dg.out());
    k.silu_gate(z.in(), s.in(), silu_gated.out());
    k.silu_gate_vjp(z.in(), s.in(), d.in(), d_gate.out(), du.out());
    k.sigmoid(z.in(), T(0.3), rate.out());
    k.sigmoid_vjp(z.in(), T(0.3), d.in(), d_rate.out());
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < cols; ++j) {
        const Real a = z.at(i, j), S = s.at(i, j), dy = d.at(i, j), b = before.at(i, j);
        const auto expect = [](T found, Real exact) {
          ASSERT_NEAR(found, static_cast<double>(exact), 64 * epsilon<T>);
        };
        expect(g.at(i, j), S * inner_slope(a));
        expect(ds.at(i, j), dy * inner_slope(a));
        expect(dz.at(i, j), b + dy * S * inner_curvature(a));
        expect(vjp.at(i, j), b + dy * gelu_slope(a));
        expect(gated.at(i, j), S * gelu(a));
        expect(da.at(i, j), dy * gelu(a));
        expect(dg.at(i, j), dy * S * gelu_slope(a));
        expect(silu_gated.at(i, j), S * silu(a));
        expect(d_gate.at(i, j), dy * S * silu_slope(a));
        expect(du.at(i, j), dy * silu(a));
        expect(rate.at(i, j), T(0.3) * logistic(a));
        expect(d_rate.at(i, j), dy * T(0.3) * logistic(a) * (1 - logistic(a)));
      }
    }
  }
}

// The truncated constants leave a derivative of GELU that is right to about 1e-9, and the curvature is its derivative.
TEST(Gelu, SlopesAreDerivatives) {
  const Real h = 1e-5L;
  for (Real a = -6; a < 6; a += 0.1L) {
    EXPECT_NEAR(static_cast<double>(gelu_slope(a)), static_cast<double>((gelu(a + h) - gelu(a - h)) / (2 * h)), 1e-9);
    EXPECT_NEAR(static_cast<double>(inner_slope(a)), static_cast<double>(gelu_slope(a)), 2e-9);
    EXPECT_NEAR(static_cast<double>(inner_curvature(a)),
                static_cast<double>((inner_slope(a + h) - inner_slope(a - h)) / (2 * h)), 2e-8);
    EXPECT_NEAR(static_cast<double>(silu_slope(a)), static_cast<double>((silu(a + h) - silu(a - h)) / (2 * h)), 1e-9);
  }
}

// Down to the limit below which it is 0. A relative error of the logistic function's argument becomes one of the
// result, times the size of the argument.
TYPED_TEST(Activations, GeluKeepsItsDigitsInTheTail) {
  using T = TypeParam;
  Rng rng(5);
  const Real end = sizeof(T) == 4 ? 10 : 21;
  const Matrix<T> z(20, 101, rng, static_cast<T>(-end), -4);
  Matrix<T> y = z;
  for (const Isa isa : supported_isas()) {
    kernels_of<T>(isa).gelu(z.in(), y.out());
    for (Index i = 0; i < z.rows; ++i) {
      for (Index j = 0; j < z.cols; ++j) {
        const Real a = z.at(i, j), argument = 2 * root * a * (1 + cubic * a * a), exact = a * logistic(argument);
        ASSERT_NEAR(static_cast<double>(y.at(i, j) / exact), 1, static_cast<double>(4 - 4 * argument) * epsilon<T>)
            << name(isa) << " at " << a;
      }
    }
    const auto gelu_at = [&](T value) {
      kernels_of<T>(isa).gelu(all<T>(value).in(), y.out());
      return y.at(1, 1);
    };
    EXPECT_LT(gelu_at(static_cast<T>(-end)), 0);
    EXPECT_EQ(gelu_at(std::nextafter(static_cast<T>(-end), T(-100))), 0);
  }
}

TYPED_TEST(Activations, NotANumberStaysNone) {
  using T = TypeParam;
  const Matrix<T> z = all(std::numeric_limits<T>::quiet_NaN()), ones = all(T(1));
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<T>& k = kernels_of<T>(isa);
    Matrix<T> y[9] = {ones, ones, ones, ones, ones, ones, ones, ones, ones};
    k.gelu(z.in(), y[0].out());
    k.gelu_vjp(z.in(), ones.in(), y[1].out());
    k.gelu_gradient(z.in(), ones.in(), y[2].out());
    k.gelu_gradient_vjp(z.in(), ones.in(), ones.in(), y[3].out(), y[4].out());
    k.gelu_and_slope(z.in(), y[5].out(), y[6].out());
    k.sigmoid(z.in(), T(1), y[7].out());
    k.silu_gate(z.in(), ones.in(), y[8].out());
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(std::isnan(y[i].at(1, 18))) << name(isa) << ", result " << i;
  }
}

TYPED_TEST(Activations, FarOutTheyAreTheirLimits) {
  using T = TypeParam;
  using limits = std::numeric_limits<T>;
  for (const T far : {T(40), T(1000), T(1e30), limits::max(), limits::infinity()}) {
    const Matrix<T> up = all(far), down = all(-far), ones = all(T(1));
    for (const Isa isa : supported_isas()) {
      const ops::Kernels<T>& k = kernels_of<T>(isa);
      const auto expect = [&](const auto& run, const Matrix<T>& z, T limit) {
        Matrix<T> y = all(T(0));
        run(z.in(), y.out());
        for (Index j = 0; j < 19; ++j) EXPECT_EQ(y.at(1, j), limit) << name(isa) << " at " << z.at(1, j);
      };
      Matrix<T> rest = ones;
      const auto gelu_of = [&](auto z, auto y) { k.gelu(z, y); };
      const auto slope = [&](auto z, auto y) { k.gelu_vjp(z, ones.in(), y); };
      const auto inner = [&](auto z, auto y) { k.gelu_gradient(z, ones.in(), y); };
      const auto curvature = [&](auto z, auto y) { k.gelu_gradient_vjp(z, ones.in(), ones.in(), rest.out(), y); };
      const auto sigmoid = [&](auto z, auto y) { k.sigmoid(z, T(1), y); };
      expect(gelu_of, up, far);
      expect(gelu_of, down, T(0));
      expect(slope, up, T(1));
      expect(slope, down, T(0));
      expect(inner, up, T(1));
      expect(inner, down, T(0));
      expect(curvature, up, T(0));
      expect(curvature, down, T(0));
      expect(sigmoid, up, T(1));
      if (far > 800 && far <= limits::max()) {
        const auto silu_slope_of = [&](auto z, auto y) { k.silu_gate_vjp(z, ones.in(), ones.in(), y, rest.out()); };
        const auto silu_of = [&](auto z, auto y) { k.silu_gate(z, ones.in(), y); };
        expect(sigmoid, down, T(0));
        expect(silu_of, up, far);
        expect(silu_of, down, T(0));
        expect(silu_slope_of, up, T(1));
        expect(silu_slope_of, down, T(0));
      }
    }
  }
}

}  // namespace
}  // namespace ttt
