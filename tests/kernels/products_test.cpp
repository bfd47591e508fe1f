// SPDX-License-Identifier: MIT
// The products against plain loops in double.
#include <gtest/gtest.h>

#include "kernels/testing.hpp"

namespace ttt {
namespace {

using testing::epsilon;
using testing::expect_same_bits;
using testing::kernels_of;
using testing::Matrix;
using testing::supported_isas;

template <class T>
class Products : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Products, Scalars);

struct Extent {
  Index m, k, n;
};
constexpr Extent extents[] = {{1, 1, 1},     {1, 64, 64},   {3, 5, 7},      {4, 16, 64},   {6, 17, 33},
                              {16, 64, 64},  {7, 0, 9},     {13, 65, 80},   {33, 140, 70}, {35, 30, 129},
                              {2, 520, 150}, {40, 130, 68}, {32, 270, 304}, {1, 96, 395}};

/// A sum of k products with its rounding: every one of the k + extra operations adds at most eps/2 of what is summed.
struct Sum {
  double value = 0, magnitude = 0;
  void add(double a, double b) {
    value += a * b;
    magnitude += std::abs(a * b);
  }
};

template <class T>
void expect_sum(T found, const Sum& sum, Index k) {
  ASSERT_NEAR(found, sum.value, static_cast<double>(k + 4) * epsilon<T> * sum.magnitude);
}

template <class T, class Body>
void each_isa_and_extent(Body body) {
  for (const Isa isa : supported_isas()) {
    for (const Extent& e : extents) {
      SCOPED_TRACE(std::string(name(isa)) + " " + std::to_string(e.m) + " x " + std::to_string(e.k) + " x " +
                   std::to_string(e.n));
      Rng rng(1);
      body(kernels_of<T>(isa), e, rng);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(Products, Matmul) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const Matrix<T> A(e.m, e.k, rng), B(e.k, e.n, rng), bias(1, e.n, rng), C0(e.m, e.n, rng);
    for (const int start : {0, 1, 2}) {  // from zero, a bias, or what C has
      Matrix<T> C = C0;
      kernels.matmul(A.in(), B.in(), start == 1 ? bias.row(0) : nullptr, start == 2, C.out());
      for (Index i = 0; i < e.m; ++i) {
        for (Index j = 0; j < e.n; ++j) {
          Sum sum;
          if (start > 0) sum.add(1, start == 1 ? bias.at(0, j) : C0.at(i, j));
          for (Index p = 0; p < e.k; ++p) sum.add(A.at(i, p), B.at(p, j));
          expect_sum(C.at(i, j), sum, e.k);
        }
      }
    }
  });
}

TYPED_TEST(Products, MatmulTransposed) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const Matrix<T> A(e.m, e.k, rng), B(e.n, e.k, rng), C0(e.m, e.n, rng);
    for (const bool accumulate : {false, true}) {
      Matrix<T> C = C0;
      kernels.matmul_transposed(A.in(), B.in(), accumulate, C.out());
      for (Index i = 0; i < e.m; ++i) {
        for (Index j = 0; j < e.n; ++j) {
          Sum sum;
          if (accumulate) sum.add(1, C0.at(i, j));
          for (Index p = 0; p < e.k; ++p) sum.add(A.at(i, p), B.at(j, p));
          expect_sum(C.at(i, j), sum, e.k);
        }
      }
    }
  });
}

TYPED_TEST(Products, AddOuter) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const Matrix<T> A(e.k, e.m, rng), B(e.k, e.n, rng), C0(e.m, e.n, rng);
    Matrix<T> C = C0;
    kernels.add_outer(T(-0.25), A.in(), B.in(), C.out());
    for (Index i = 0; i < e.m; ++i) {
      for (Index j = 0; j < e.n; ++j) {
        Sum sum;
        sum.add(1, C0.at(i, j));
        for (Index r = 0; r < e.k; ++r) sum.add(-0.25 * A.at(r, i), B.at(r, j));
        expect_sum(C.at(i, j), sum, e.k);
      }
    }
  });
}

// How the sum of rows is asked for: one row of ones, repeated.
TYPED_TEST(Products, AddOuterRepeatsARowOfStrideZero) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const T one = 1;
    const Matrix<T> B(e.k, e.n, rng);
    Matrix<T> sums(1, e.n, rng);
    const Matrix<T> before = sums;
    kernels.add_outer(T(2), {&one, e.k, 1, 0}, B.in(), sums.out());
    for (Index j = 0; j < e.n; ++j) {
      Sum sum;
      sum.add(1, before.at(0, j));
      for (Index r = 0; r < e.k; ++r) sum.add(2, B.at(r, j));
      expect_sum(sums.at(0, j), sum, e.k);
    }
  });
}

TYPED_TEST(Products, ApplyUpdated) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    for (const T bias_step : {T(0), T(1)}) {
      const Index first = e.k % 7, open = first + e.m;
      const Matrix<T> x(e.m, e.k, rng), W(e.k, e.n, rng), b(1, e.n, rng), X(open, e.k, rng), G(open, e.n, rng);
      const Matrix<T> scale(1, e.m, rng);
      Matrix<T> P(e.m, open, rng), Z(e.m, e.n, rng);
      kernels.apply_updated(x.in(), {W.in(), b.row(0), X.in(), G.in()}, scale.row(0), bias_step, first, P.out(),
                            Z.out());
      for (Index t = 0; t < e.m; ++t) {
        std::vector<Sum> steps(static_cast<std::size_t>(first + t + 1));
        for (std::size_t s = 0; s < steps.size(); ++s) {
          steps[s].add(1, bias_step);
          for (Index p = 0; p < e.k; ++p) steps[s].add(x.at(t, p), X.at(static_cast<Index>(s), p));
        }
        for (Index j = 0; j < e.n; ++j) {
          Sum sum;
          sum.add(1, b.at(0, j));
          for (Index p = 0; p < e.k; ++p) sum.add(x.at(t, p), W.at(p, j));
          for (std::size_t s = 0; s < steps.size(); ++s) {
            const double g = -double{scale.at(0, t)} * G.at(static_cast<Index>(s), j);
            sum.value += steps[s].value * g;
            sum.magnitude += steps[s].magnitude * std::abs(g);
          }
          expect_sum(Z.at(t, j), sum, 2 * e.k + open);
        }
      }
    }
  });
}

TYPED_TEST(Products, Commit) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const T one = 1;
    const Matrix<T> X(e.k, e.m, rng), G(e.k, e.n, rng);
    Matrix<T> W(e.m, e.n, rng), b(1, e.n, rng);
    Matrix<T> W_expected = W, b_expected = b;
    kernels.commit(T(0.25), T(0.5), X.in(), G.in(), W.out(), b.row(0));
    kernels.add_outer(T(-0.25), X.in(), G.in(), W_expected.out());
    kernels.add_outer(T(-0.125), {&one, e.k, 1, 0}, G.in(), b_expected.out());
    expect_same_bits<T>({W_expected, b_expected}, {W, b});
  });
}

TYPED_TEST(Products, CausalUpdateVjp) {
  using T = TypeParam;
  each_isa_and_extent<T>([](const ops::Kernels<T>& kernels, const Extent& e, Rng& rng) {
    const Index first = e.k, n = e.m;
    const Matrix<T> P0(n, first + n, rng), R0(n, first + n, rng), scale(1, n, rng), d_scale0(1, n, rng);
    Matrix<T> P = P0, R = R0, d_scale = d_scale0;
    kernels.dual_form_vjp(scale.row(0), T(1), first, P.out(), R.out(), d_scale.row(0));
    for (Index t = 0; t < n; ++t) {
      Sum sum;
      sum.add(1, d_scale0.at(0, t));
      for (Index s = 0; s < first + n; ++s) {
        const bool seen = s <= first + t;
        const double step = double{P0.at(t, s)} + 1, minus_scale = -scale.at(0, t);
        ASSERT_NEAR(P.at(t, s), seen ? minus_scale * step : 0, 2 * epsilon<T> * std::abs(minus_scale * step));
        ASSERT_EQ(R.at(t, s), seen ? -scale.at(0, t) * R0.at(t, s) : T(0));
        if (seen) sum.add(-step, R0.at(t, s));
      }
      expect_sum(d_scale.at(0, t), sum, first + t + 1);
    }
  });
}

}  // namespace
}  // namespace ttt
