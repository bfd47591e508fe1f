// SPDX-License-Identifier: MIT
// Rotary positions, convolutions, sums of elements, the outer loss and the optimizer, against plain loops in double.
#include <gtest/gtest.h>

#include "kernels/testing.hpp"

namespace ttt {
namespace {

using testing::epsilon;
using testing::kernels_of;
using testing::Matrix;
using testing::supported_isas;

template <class T>
class RowKernels : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RowKernels, Scalars);

template <class T, class Body>
void each_isa(Body body) {
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    Rng rng(1);
    body(kernels_of<T>(isa), rng);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TYPED_TEST(RowKernels, Rotate) {
  using T = TypeParam;
  constexpr Index positions = 5, rows = 12, heads = 3, first = 3;
  for (const Index head_dim : {2, 10, 16, 36, 64}) {
    each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
      Matrix<T> table(positions, 2 * head_dim, rng);
      const auto angle = [&](Index p, Index m) { return static_cast<double>(p) / static_cast<double>(m + 1); };
      for (Index p = 0; p < positions; ++p) {
        for (Index j = 0; j < head_dim; ++j) {
          table.at(p, j) = static_cast<T>(std::cos(angle(p, j / 2)));
          table.at(p, head_dim + j) = static_cast<T>((j % 2 == 0 ? -1 : 1) * std::sin(angle(p, j / 2)));
        }
      }
      const Matrix<T> x(rows, heads * head_dim, rng);
      Matrix<T> y = x;
      k.rotate(table.in(), first, false, y.out());
      for (Index t = 0; t < rows; ++t) {
        for (Index c = 0; c < x.cols; c += 2) {
          const double a = angle((first + t) % positions, c % head_dim / 2);
          const double even = x.at(t, c), odd = x.at(t, c + 1);
          ASSERT_NEAR(y.at(t, c), even * std::cos(a) - odd * std::sin(a), 4 * epsilon<T>);
          ASSERT_NEAR(y.at(t, c + 1), even * std::sin(a) + odd * std::cos(a), 4 * epsilon<T>);
        }
      }
      k.rotate(table.in(), first, true, y.out());
      for (Index t = 0; t < rows; ++t) {
        for (Index c = 0; c < x.cols; ++c) ASSERT_NEAR(y.at(t, c), x.at(t, c), 8 * epsilon<T>);
      }
    });
  }
}

TYPED_TEST(RowKernels, Convolve) {
  using T = TypeParam;
  constexpr Index rows = 9, taps = 4;
  for (const Index cols : {1, 16, 45}) {
    each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
      const Matrix<T> u(rows + taps - 1, cols, rng), weight(taps, cols, rng), bias(1, cols, rng), dy(rows, cols, rng);
      Matrix<T> y = dy, du = u;
      k.convolve(u.in(), weight.in(), bias.row(0), y.out());
      k.convolve_vjp(weight.in(), dy.in(), du.out());
      for (Index c = 0; c < cols; ++c) {
        for (Index t = 0; t < rows; ++t) {
          double sum = bias.at(0, c);
          for (Index j = 0; j < taps; ++j) sum += double{weight.at(j, c)} * u.at(t + j, c);
          ASSERT_NEAR(y.at(t, c), sum, 5 * 5 * epsilon<T>);
        }
        for (Index s = 0; s < u.rows; ++s) {
          double sum = u.at(s, c);
          for (Index j = 0; j < taps; ++j) {
            if (s - j >= 0 && s - j < rows) sum += double{weight.at(j, c)} * dy.at(s - j, c);
          }
          ASSERT_NEAR(du.at(s, c), sum, 5 * 5 * epsilon<T>);
        }
      }
    });
  }
}

TYPED_TEST(RowKernels, SumsAndProductsOfElements) {
  using T = TypeParam;
  constexpr Index rows = 3, cols = 53;
  each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
    const Matrix<T> a(rows, cols, rng), b(rows, cols, rng);
    Matrix<T> sum = b, difference = b, product = b, scaled = a;
    T dots[rows];
    k.add(a.in(), sum.out());
    k.subtract(a.in(), b.in(), difference.out());
    k.multiply(a.in(), b.in(), product.out());
    k.scale(T(1.5), scaled.out());
    k.dot(a.in(), b.in(), dots);
    for (Index i = 0; i < rows; ++i) {
      double dot = 0;
      for (Index j = 0; j < cols; ++j) {
        ASSERT_EQ(sum.at(i, j), b.at(i, j) + a.at(i, j));
        ASSERT_EQ(difference.at(i, j), a.at(i, j) - b.at(i, j));
        ASSERT_EQ(product.at(i, j), a.at(i, j) * b.at(i, j));
        ASSERT_EQ(scaled.at(i, j), T(1.5) * a.at(i, j));
        dot += double{a.at(i, j)} * b.at(i, j);
      }
      ASSERT_NEAR(dots[i], dot, static_cast<double>(cols) * epsilon<T> * static_cast<double>(cols));
    }
  });
}

TYPED_TEST(RowKernels, CrossEntropy) {
  using T = TypeParam;
  constexpr Index rows = 5;
  for (const Index cols : {1, 2, 16, 77, 300}) {
    each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
      const Matrix<T> x(rows, cols, rng, -20, 20);
      const auto last = static_cast<std::int32_t>(cols - 1);
      const std::int32_t target[rows] = {0, last, -100, last / 2, -1};
      constexpr T factor = T(0.125);
      Matrix<T> d = x;
      T loss[rows];
      k.cross_entropy(d.out(), target, factor, loss);
      for (Index t = 0; t < rows; ++t) {
        double partition = 0;  // of exp(x - 20): in range whatever the row
        for (Index j = 0; j < cols; ++j) partition += std::exp(x.at(t, j) - 20.0);
        const bool counts = target[t] >= 0;
        const double log_sum = 20 + std::log(partition);
        const double bound = (static_cast<double>(cols) + 40) * epsilon<T>;  // sums of cols, logits up to 40 apart
        ASSERT_NEAR(loss[t], counts ? log_sum - x.at(t, target[t]) : 0.0, bound + 40 * epsilon<T>);
        for (Index j = 0; j < cols; ++j) {
          const double p = std::exp(x.at(t, j) - log_sum);
          ASSERT_NEAR(d.at(t, j), counts ? factor * (p - (j == target[t])) : 0, factor * bound);
        }
      }
    });
  }
}

TYPED_TEST(RowKernels, CrossEntropyOfExtremeLogitsIsFinite) {
  using T = TypeParam;
  each_isa<T>([](const ops::Kernels<T>& k, Rng& rng) {
    constexpr Index cols = 19;
    Matrix<T> x(2, cols, rng, 0, 0);
    x.at(0, 3) = T(1e30);
    x.at(1, 3) = -std::numeric_limits<T>::infinity();
    const std::int32_t target[] = {3, 4};
    T loss[2];
    k.cross_entropy(x.out(), target, T(1), loss);
    EXPECT_EQ(loss[0], T(0));
    EXPECT_NEAR(loss[1], std::log(18.0), 40 * epsilon<T>);
    for (Index j = 0; j < cols; ++j) EXPECT_EQ(x.at(0, j), T(0));
    EXPECT_EQ(x.at(1, 3), T(0));
  });
}

TYPED_TEST(RowKernels, SumSquares) {
  using T = TypeParam;
  for (const Index n : {0, 1, 7, 8, 100, 4095, 4096, 4097, 8192, 30001}) {
    double first = -1;
    each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
      const Matrix<T> x(1, n, rng, 1, 2);
      double sum = 0;
      for (Index j = 0; j < n; ++j) sum += double{x.at(0, j)} * x.at(0, j);
      const double found = k.sum_squares(x.row(0), n);
      ASSERT_NEAR(found, sum, static_cast<double>(n) * epsilon<double> * sum);
      if (first < 0) first = found;
      ASSERT_EQ(found, first);  // the same bits on every instruction set
    });
  }
}

TYPED_TEST(RowKernels, Adamw) {
  using T = TypeParam;
  const ops::AdamwStep step{.rate = 1e-2,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .epsilon = 1e-8,
                            .weight_decay = 0.1,
                            .correction1 = 1 - 0.9 * 0.9,
                            .correction2 = 1 - 0.95 * 0.95,
                            .gradient_factor = 0.7};
  for (const Index n : {1, 16, 45}) {
    std::vector<Matrix<T>> first;
    each_isa<T>([&](const ops::Kernels<T>& k, Rng& rng) {
      const Matrix<T> gradient(1, n, rng), p0(1, n, rng), m0(1, n, rng), v0(1, n, rng, 0.01, 1);
      Matrix<T> p = p0, m = m0, v = v0;
      k.adamw(step, n, gradient.row(0), p.row(0), m.row(0), v.row(0));
      for (Index j = 0; j < n; ++j) {
        const double g = 0.7 * gradient.at(0, j);
        const double m1 = 0.9 * m0.at(0, j) + 0.1 * g, v1 = 0.95 * v0.at(0, j) + 0.05 * g * g;
        const double direction = m1 / 0.19 / (std::sqrt(v1 / 0.0975) + 1e-8);
        ASSERT_NEAR(m.at(0, j), m1, 4 * epsilon<T>);
        ASSERT_NEAR(v.at(0, j), v1, 4 * epsilon<T>);
        // m1 / sqrt(v1) reaches 1 / 0.19 / sqrt(0.0095 / 0.0975) < 17, with some 10 roundings
        ASSERT_NEAR(p.at(0, j), (1 - 1e-3) * p0.at(0, j) - 1e-2 * direction, (2 + 1e-2 * 17 * 10) * epsilon<T>);
      }
      const std::vector<Matrix<T>> found = {p, m, v};
      if (first.empty()) first = found;
      testing::expect_same_bits(first, found);
    });
  }
}

}  // namespace
}  // namespace ttt
