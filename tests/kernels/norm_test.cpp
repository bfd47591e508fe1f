// SPDX-License-Identifier: MIT
// Norms and the inner loss: values against plain loops in double, adjoints against finite differences, and float
// against double.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "kernels/cases.hpp"

namespace ttt {
namespace {

using testing::converted;
using testing::epsilon;
using testing::kernels_of;
using testing::Matrix;
using testing::Operands;
using testing::supported_isas;
using D = Matrix<double>;

constexpr double norm_epsilon = 1e-6;
constexpr Index widths[] = {2, 5, 8, 16, 23, 64, 100};

/// The inner gradient and norm of one row, as the paper writes them.
struct Row {
  std::vector<double> hat, g;
  double rho = 0;

  Row(const D& z, const D& target, const D& weight, const D& bias, Index i) {
    const Index n = z.cols;
    double mean = 0, variance = 0;
    for (Index j = 0; j < n; ++j) mean += z.at(i, j) / static_cast<double>(n);
    for (Index j = 0; j < n; ++j) variance += std::pow(z.at(i, j) - mean, 2) / static_cast<double>(n);
    rho = std::sqrt(variance + norm_epsilon);
    double mean_u = 0, mean_u_hat = 0;
    std::vector<double> u;
    for (Index j = 0; j < n; ++j) {
      hat.push_back((z.at(i, j) - mean) / rho);
      u.push_back(weight.at(0, j) * (weight.at(0, j) * hat.back() + bias.at(0, j) - target.at(i, j)));
      mean_u += u.back() / static_cast<double>(n);
      mean_u_hat += u.back() * hat.back() / static_cast<double>(n);
    }
    for (std::size_t j = 0; j < hat.size(); ++j) g.push_back((u[j] - mean_u - hat[j] * mean_u_hat) / rho);
  }
};

/// Numbers of size 1 go through some 10 n roundings on the way to a result, each divided by rho at most twice.
double tolerance(Index n, double rho, double eps) {
  return 10 * static_cast<double>(n) * eps * (1 + 1 / rho + 1 / (rho * rho));
}

TEST(Norms, ValuesAreThoseOfTheFormulas) {
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<double>& k = kernels_of<double>(isa);
    for (const Index n : widths) {
      SCOPED_TRACE(std::string(name(isa)) + " width " + std::to_string(n));
      Rng rng(1);
      const D z(5, n, rng), target(5, n, rng), weight(1, n, rng), bias(1, n, rng), rate(1, 5, rng);
      D y = z, rms = z, G = z;
      k.layer_norm(z.in(), {weight.row(0), bias.row(0)}, norm_epsilon, {}, y.out());
      k.rms_norm(z.in(), weight.row(0), norm_epsilon, rms.out());
      k.reconstruction_gradient(z.in(), target.in(), {weight.row(0), bias.row(0)}, norm_epsilon, rate.row(0), G.out());
      for (Index i = 0; i < 5; ++i) {
        const Row expected(z, target, weight, bias, i);
        const double bound = tolerance(n, expected.rho, epsilon<double>);
        double squares = 0;
        for (Index j = 0; j < n; ++j) squares += z.at(i, j) * z.at(i, j);
        const double root = std::sqrt(squares / static_cast<double>(n) + norm_epsilon);
        for (Index j = 0; j < n; ++j) {
          const auto at = static_cast<std::size_t>(j);
          ASSERT_NEAR(y.at(i, j), weight.at(0, j) * expected.hat[at] + bias.at(0, j), bound);
          ASSERT_NEAR(rms.at(i, j), weight.at(0, j) * z.at(i, j) / root, bound);
          ASSERT_NEAR(G.at(i, j), rate.at(0, i) * expected.g[at], bound);
        }
      }
    }
  }
}

TEST(Norms, WithoutWeightsTheNormIsTheIdentity) {
  Rng rng(2);
  const D z(3, 21, rng), target(3, 21, rng), rate(1, 3, rng), dy(3, 21, rng);
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<double>& k = kernels_of<double>(isa);
    D y = dy, G = dy, dx = z, d_weight = z, dZ = z, d_target = z, d_bias = z, d_rate = rate;
    k.layer_norm(z.in(), {}, norm_epsilon, {}, y.out());
    k.layer_norm_vjp(z.in(), {}, norm_epsilon, dy.in(), dx.out(), d_weight.out());
    k.reconstruction_gradient(z.in(), target.in(), {}, norm_epsilon, rate.row(0), G.out());
    k.reconstruction_gradient_vjp(z.in(), target.in(), {}, norm_epsilon, rate.row(0), dy.in(), dZ.out(), d_target.out(),
                                  d_rate.row(0), d_weight.out(), d_bias.out());
    for (Index i = 0; i < 3; ++i) {
      double dot = 0;
      for (Index j = 0; j < 21; ++j) {
        EXPECT_EQ(y.at(i, j), z.at(i, j));
        EXPECT_EQ(dx.at(i, j), dy.at(i, j));
        EXPECT_EQ(G.at(i, j), rate.at(0, i) * (z.at(i, j) - target.at(i, j)));
        EXPECT_EQ(dZ.at(i, j), rate.at(0, i) * dy.at(i, j));
        EXPECT_EQ(d_target.at(i, j), -dZ.at(i, j));
        EXPECT_EQ(d_weight.at(i, j), 0);
        EXPECT_EQ(d_bias.at(i, j), 0);
        dot += dy.at(i, j) * (z.at(i, j) - target.at(i, j));
      }
      EXPECT_NEAR(d_rate.at(0, i), dot, 100 * epsilon<double>);
    }
  }
}

/// d/dx of loss() by central differences: what is cut off is of order h^2, what is rounded of order eps / h.
constexpr double h = 1e-5;

void expect_derivative(double& x, const std::function<double()>& loss, double found) {
  const double before = x;
  x = before + h;
  const double above = loss();
  x = before - h;
  const double below = loss();
  x = before;
  const double slope = (above - below) / (2 * h);
  ASSERT_NEAR(found, slope, 1e3 * (h * h + epsilon<double> / h) * (1 + std::abs(slope)));
}

double weighted_sum(const D& y, const D& dy) {
  double sum = 0;
  for (Index i = 0; i < y.rows; ++i) {
    for (Index j = 0; j < y.cols; ++j) sum += y.at(i, j) * dy.at(i, j);
  }
  return sum;
}

double column_sum(const D& m, Index j) {
  double sum = 0;
  for (Index i = 0; i < m.rows; ++i) sum += m.at(i, j);
  return sum;
}

TEST(Norms, AdjointsAreDerivatives) {
  constexpr Index rows = 3;
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<double>& k = kernels_of<double>(isa);
    for (const Index n : {5, 8, 19, 64}) {
      SCOPED_TRACE(std::string(name(isa)) + " width " + std::to_string(n));
      Rng rng(3);
      D x(rows, n, rng), weight(1, n, rng), bias(1, n, rng);
      const D dy(rows, n, rng), before(rows, n, rng);
      D y = dy, dx = dy, d_weight = dy;
      const std::function<double()> layer_loss = [&] {
        k.layer_norm(x.in(), {weight.row(0), bias.row(0)}, norm_epsilon, {}, y.out());
        return weighted_sum(y, dy);
      };
      k.layer_norm_vjp(x.in(), {weight.row(0), bias.row(0)}, norm_epsilon, dy.in(), dx.out(), d_weight.out());
      for (Index j = 0; j < n; ++j) {
        for (Index i = 0; i < rows; ++i) expect_derivative(x.at(i, j), layer_loss, dx.at(i, j));
        expect_derivative(weight.at(0, j), layer_loss, column_sum(d_weight, j));
      }
      const std::function<double()> rms_loss = [&] {
        k.rms_norm(x.in(), weight.row(0), norm_epsilon, y.out());
        return weighted_sum(y, dy);
      };
      dx = before;
      k.rms_norm_vjp(x.in(), weight.row(0), norm_epsilon, dy.in(), dx.out(), d_weight.out());
      for (Index j = 0; j < n; ++j) {
        for (Index i = 0; i < rows; ++i) expect_derivative(x.at(i, j), rms_loss, dx.at(i, j) - before.at(i, j));
        expect_derivative(weight.at(0, j), rms_loss, column_sum(d_weight, j));
      }
    }
  }
}

TEST(InnerLoss, TheGradientIsTheDerivativeOfTheLoss) {
  constexpr Index n = 21;
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<double>& k = kernels_of<double>(isa);
    Rng rng(4);
    D z(2, n, rng);
    const D target(2, n, rng), weight(1, n, rng), bias(1, n, rng), rate(1, 2, rng);
    D y = z, G = z;
    k.reconstruction_gradient(z.in(), target.in(), {weight.row(0), bias.row(0)}, norm_epsilon, rate.row(0), G.out());
    for (Index i = 0; i < 2; ++i) {
      const std::function<double()> loss = [&] {
        k.layer_norm(z.in(), {weight.row(0), bias.row(0)}, norm_epsilon, {}, y.out());
        double sum = 0;
        for (Index j = 0; j < n; ++j) sum += 0.5 * std::pow(y.at(i, j) - target.at(i, j), 2);
        return rate.at(0, i) * sum;
      };
      for (Index j = 0; j < n; ++j) expect_derivative(z.at(i, j), loss, G.at(i, j));
    }
  }
}

TEST(InnerLoss, TheAdjointIsTheSecondDerivative) {
  constexpr Index rows = 3;
  for (const Isa isa : supported_isas()) {
    const ops::Kernels<double>& k = kernels_of<double>(isa);
    for (const Index n : {5, 8, 19, 64}) {
      SCOPED_TRACE(std::string(name(isa)) + " width " + std::to_string(n));
      Rng rng(5);
      D z(rows, n, rng), target(rows, n, rng), weight(1, n, rng), bias(1, n, rng), rate(1, rows, rng);
      const D dG(rows, n, rng);
      D G = dG, dZ = dG, d_target = dG, d_weight = dG, d_bias = dG, d_rate(1, rows, rng);
      const ops::NormWeights<double> norm{weight.row(0), bias.row(0)};
      const std::function<double()> loss = [&] {
        k.reconstruction_gradient(z.in(), target.in(), norm, norm_epsilon, rate.row(0), G.out());
        return weighted_sum(G, dG);
      };
      k.reconstruction_gradient_vjp(z.in(), target.in(), norm, norm_epsilon, rate.row(0), dG.in(), dZ.out(),
                                    d_target.out(), d_rate.row(0), d_weight.out(), d_bias.out());
      for (Index i = 0; i < rows; ++i) {
        expect_derivative(rate.at(0, i), loss, d_rate.at(0, i));
        for (Index j = 0; j < n; ++j) {
          expect_derivative(z.at(i, j), loss, dZ.at(i, j));
          expect_derivative(target.at(i, j), loss, d_target.at(i, j));
        }
      }
      for (Index j = 0; j < n; ++j) {
        expect_derivative(weight.at(0, j), loss, column_sum(d_weight, j));
        expect_derivative(bias.at(0, j), loss, column_sum(d_bias, j));
      }
    }
  }
}

// What holds for double is carried over to float by running both on the same numbers.
TEST(Norms, FloatIsCloseToDouble) {
  const auto in_double = testing::norm_cases<double>();
  const auto in_float = testing::norm_cases<float>();
  for (const Isa isa : supported_isas()) {
    for (std::size_t c = 0; c < in_float.size(); ++c) {
      for (const Index n : {16, 23, 64, 100}) {
        SCOPED_TRACE(std::string(name(isa)) + " " + in_float[c].name + " width " + std::to_string(n));
        Rng rng(6);
        Operands<float> found = in_float[c].make(4, n, rng);
        Operands<double> expected;
        for (const Matrix<float>& m : found) expected.push_back(converted<double>(m));
        in_float[c].run(kernels_of<float>(isa), found, 0, 4);
        in_double[c].run(kernels_of<double>(isa), expected, 0, 4);
        // Uniform numbers of -1 ... 1 in rows this wide have a deviation above 0.3.
        const double bound = tolerance(n, 0.3, epsilon<float>);
        for (std::size_t m = 0; m < found.size(); ++m) {
          for (Index i = 0; i < found[m].rows; ++i) {
            for (Index j = 0; j < found[m].cols; ++j) ASSERT_NEAR(found[m].at(i, j), expected[m].at(i, j), bound);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace ttt
