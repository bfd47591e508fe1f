// SPDX-License-Identifier: MIT
// Dense weights: in and out of every format, and the products with them on every instruction set.
#include "ttt/ops/dense.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "kernels/testing.hpp"
#include "ops/half.hpp"
#include "support/files.hpp"
#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt {
namespace {

using support::same_bits;
using testing::supported_isas;

constexpr Shape<2> shapes[] = {{1, 1}, {3, 5}, {16, 32}, {63, 33}, {64, 64}, {65, 31}, {80, 129}, {290, 530}};
constexpr Index row_counts[] = {1, 2, 5, 6, 7, 300};

template <class T>
class DenseOf : public ::testing::Test {
 protected:
  Rng rng{3};

  static std::vector<WeightFormat> formats() {
    if (std::is_same_v<T, double>) return {WeightFormat::full};
    return {WeightFormat::full, WeightFormat::bf16, WeightFormat::q8};
  }

  ~DenseOf() override { set_isa(supported_isas().back()); }
};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(DenseOf, Scalars);

TYPED_TEST(DenseOf, KeepsFullWeightsAsTheyAre) {
  for (const Shape<2>& shape : shapes) {
    const auto rows = normal<TypeParam>(shape, this->rng);
    const Dense<TypeParam> W(rows);
    EXPECT_EQ(W.shape(), shape);
    EXPECT_TRUE(same_bits(W.tensor(), rows));
    const Dense<TypeParam> copy = W;
    EXPECT_TRUE(same_bits(copy, W));
    Dense<TypeParam> from = W;
    const Dense<TypeParam> moved = std::move(from);
    EXPECT_TRUE(same_bits(moved, W));
    EXPECT_TRUE(from.empty());
  }
}

TYPED_TEST(DenseOf, FillsWhatLiesBeyondTheLastOutputWithZeros) {
  Dense<TypeParam> W(normal<TypeParam>({65, 7}, this->rng));
  TypeParam sum = 0, all = 0;
  for (const TypeParam w : W.tensor()) sum += std::abs(w);
  for (const TypeParam w : W.values()) all += std::abs(w);
  EXPECT_NEAR(sum, all, 1e-4);
}

TYPED_TEST(DenseOf, ProductsTakeTheStoredWeights) {
  using T = TypeParam;
  for (const Shape<2>& shape : shapes) {
    const auto rows = normal<T>(shape, this->rng);
    for (const WeightFormat format : this->formats()) {
      const Dense<T> W(rows, format);
      const Tensor<T, 2> stored = W.tensor();
      for (const Index n : row_counts) {
        SCOPED_TRACE(to_string(shape) + ", " + name(format) + ", rows " + std::to_string(n));
        const auto x = normal<T>({n, shape[1]}, this->rng);
        Tensor<T, 2> first;
        for (const Isa isa : supported_isas()) {
          set_isa(isa);
          Tensor<T, 2> y({n, shape[0]});
          ops::project<T>(x, W, y);
          if (first.empty()) first = y;
          ASSERT_TRUE(same_bits(y, first)) << ttt::name(isa);
        }
        for (Index r = 0; r < n; ++r) {
          for (Index o = 0; o < shape[0]; ++o) {
            T sum = 0;
            for (Index i = 0; i < shape[1]; ++i) sum = std::fma(x[r][i], stored[o][i], sum);
            ASSERT_EQ(first[r][o], sum);
          }
        }
      }
    }
  }
}

// One loop over products of different widths, with one without outputs among them.
TYPED_TEST(DenseOf, ProductsOfTheSameRowsAreThoseOfEach) {
  using T = TypeParam;
  const auto weights = [&](Index outputs) { return Dense<T>(normal<T>({outputs, 70}, this->rng)); };
  const Dense<T> W1 = weights(64), none({0, 70}), W2 = weights(600);
  for (const Index n : {1, 600}) {
    const auto x = normal<T>({n, 70}, this->rng);
    Tensor<T, 2> y1({n, 64}), y_none({n, 0}), y2({n, 600}), expected1 = y1, expected2 = y2;
    ops::project<T>(x, W1, expected1);
    ops::project<T>(x, W2, expected2);
    for (const Index threads : {1, 2}) {
      const support::Threads scope(threads);
      fill(y1.view(), T(0));
      fill(y2.view(), T(0));
      ops::project<T>(x, {{W1, y1}, {none, y_none}, {W2, y2}});
      EXPECT_TRUE(same_bits(y1, expected1));
      EXPECT_TRUE(same_bits(y2, expected2));
    }
  }
}

/// start + sum_r dy_ro x_ri as kernels add it: in pieces of 128 rows.
template <class T>
T with_products(T start, const Tensor<T, 2>& dy, Index o, const Tensor<T, 2>& x, Index i) {
  for (Index p = 0; p < x.extent(0); p += 128) {
    T piece = 0;
    for (Index r = p; r < std::min(x.extent(0), p + 128); ++r) piece = std::fma(dy[r][o], x[r][i], piece);
    start += piece;
  }
  return start;
}

// More inputs than a kernel packs at once, in the middle of the weights; the last panel is not whole.
TYPED_TEST(DenseOf, AWeightGradientMayBeOfSomeInputs) {
  using T = TypeParam;
  constexpr Index first = 7, inputs = 540, some = 530, outputs = 90, n = 300;
  const auto x = normal<T>({n, some}, this->rng), dy = normal<T>({n, outputs}, this->rng);
  const auto dW0 = normal<T>({outputs, inputs}, this->rng);
  for (const Isa isa : supported_isas()) {
    set_isa(isa);
    Dense<T> dW(dW0);
    ops::kernels<T>().add_weight_vjp({x.data(), n, some, some}, {dy.data(), n, outputs, outputs}, first, inputs,
                                     dW.panel(0));
    const Tensor<T, 2> found = dW.tensor();
    for (Index o = 0; o < outputs; ++o) {
      for (Index i = 0; i < inputs; ++i) {
        const bool inside = first <= i && i < first + some;
        ASSERT_EQ(found[o][i], inside ? with_products(dW0[o][i], dy, o, x, i - first) : dW0[o][i]) << name(isa);
      }
    }
  }
}

TYPED_TEST(DenseOf, TheAdjointIsThatOfTheProduct) {
  using T = TypeParam;
  for (const Shape<2>& shape : shapes) {
    const auto rows = normal<T>(shape, this->rng);
    const Dense<T> W(rows);
    for (const Index n : row_counts) {
      SCOPED_TRACE(to_string(shape) + ", rows " + std::to_string(n));
      const auto x = normal<T>({n, shape[1]}, this->rng), dx0 = normal<T>({n, shape[1]}, this->rng);
      const auto dy = normal<T>({n, shape[0]}, this->rng), dW0 = normal<T>(shape, this->rng);
      Tensor<T, 2> first_dx, first_dW;
      for (const Isa isa : supported_isas()) {
        set_isa(isa);
        Tensor<T, 2> dx = dx0;
        Dense<T> dW(dW0);
        ops::project_vjp<T>(x, W, dy, dx, dW);
        if (first_dx.empty()) {
          first_dx = dx;
          first_dW = dW.tensor();
        }
        ASSERT_TRUE(same_bits(dx, first_dx)) << name(isa);
        ASSERT_TRUE(same_bits(dW.tensor(), first_dW)) << name(isa);
      }
      for (Index r = 0; r < n; ++r) {
        for (Index i = 0; i < shape[1]; ++i) {
          T sum = dx0[r][i];
          for (Index o = 0; o < shape[0]; ++o) sum = std::fma(dy[r][o], rows[o][i], sum);
          ASSERT_EQ(first_dx[r][i], sum);
        }
      }
      for (Index o = 0; o < shape[0]; ++o) {
        for (Index i = 0; i < shape[1]; ++i) ASSERT_EQ(first_dW[o][i], with_products(dW0[o][i], dy, o, x, i));
      }
    }
  }
}

TEST(Dense, Bf16IsTheNearestNumberOfThatFormat) {
  Rng rng(1);
  const auto rows = normal<float>({70, 40}, rng);
  const Tensor<float, 2> stored = Dense<float>(rows, WeightFormat::bf16).tensor();
  for (Index i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(stored.data()[i], detail::Bfloat16::decode(detail::Bfloat16::encode(rows.data()[i])));
  }
}

TEST(Dense, Q8IsOffByHalfAStepOfItsBlock) {
  Rng rng(1);
  auto rows = normal<float>({70, 75}, rng);
  for (Index i = 0; i < 75; ++i) rows[3][i] = 0;
  rows[5][40] = 1e30f;
  for (Index i = 0; i < 75; ++i) rows[7][i] *= 1e-38f;
  const Dense<float> W(rows, WeightFormat::q8);
  const Tensor<float, 2> stored = W.tensor();
  for (Index o = 0; o < 70; ++o) {
    for (Index i = 0; i < 75; ++i) {
      double largest = 0;
      for (Index j = i / 32 * 32; j < std::min<Index>(75, i / 32 * 32 + 32); ++j) {
        largest = std::max(largest, std::abs(static_cast<double>(rows[o][j])));
      }
      // The factor has 8 bits: a step is at most 1/128 wider than needed; below 2^-126 it has fewer.
      const double step = std::max(largest / 127 * (1 + 0x1p-7), largest / 127 + 0x1p-133);
      EXPECT_LE(std::abs(static_cast<double>(stored[o][i]) - static_cast<double>(rows[o][i])), step / 2 * (1 + 1e-6));
    }
  }
  EXPECT_LT(W.bytes(), 80 * 75 * 9 / 8);
}

TEST(Dense, RefusesWhatAFormatCannotHold) {
  EXPECT_NE(support::error_of<ConfigError>([] {
              Dense<double>({2, 2}, WeightFormat::bf16);
            }).find("found bf16"),
            std::string::npos);
  Tensor<float, 2> rows({2, 2});
  rows[1][1] = std::numeric_limits<float>::infinity();
  EXPECT_THROW(Dense<float>(rows, WeightFormat::q8), Error);
  Dense<float> rounded(Tensor<float, 2>({2, 2}), WeightFormat::q8);
  EXPECT_NE(support::error_of<Error>([&] { rounded.values(); }).find("found q8"), std::string::npos);
}

}  // namespace
}  // namespace ttt
