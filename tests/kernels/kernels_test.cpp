// SPDX-License-Identifier: MIT
// Laws of all kernels: the same bits from every instruction set, from any split into rows or columns, and in place.
#include "ttt/ops/kernels.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "kernels/cases.hpp"
#include "ttt/base/error.hpp"

namespace ttt {
namespace {

using testing::all_cases;
using testing::expect_same_bits;
using testing::kernels_of;
using testing::Matrix;
using testing::Operands;
using testing::supported_isas;

struct Extent {
  Index rows, cols;
};
constexpr Extent extents[] = {{1, 1}, {2, 3}, {3, 16}, {5, 17}, {4, 8}, {16, 64}, {7, 65}, {13, 100}, {40, 200}};

template <class T>
class KernelLaws : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(KernelLaws, Scalars);

/// Puts values with rules of their own among the others.
template <class T>
void sprinkle(Operands<T>& operands, Rng& rng) {
  using limits = std::numeric_limits<T>;
  const T special[] = {T(0),
                       -T(0),
                       limits::denorm_min(),
                       -limits::min() / 2,
                       limits::min(),
                       limits::max(),
                       -limits::max(),
                       limits::infinity(),
                       -limits::infinity(),
                       limits::quiet_NaN(),
                       T(88.5),
                       T(-88.5),
                       T(709.5),
                       T(-740)};
  for (Matrix<T>& m : operands) {
    for (T& x : m.data) {
      if (rng.below(12) == 0) x = special[rng.below(std::size(special))];
    }
  }
}

TYPED_TEST(KernelLaws, EveryInstructionSetGivesTheSameBits) {
  for (const auto& kernel : all_cases<TypeParam>()) {
    for (const Extent extent : extents) {
      for (const bool special : {false, true}) {
        SCOPED_TRACE(kernel.name + " " + std::to_string(extent.rows) + " x " + std::to_string(extent.cols));
        Rng rng(1);
        Operands<TypeParam> start = kernel.make(extent.rows, extent.cols, rng);
        if (special) sprinkle(start, rng);
        Operands<TypeParam> expected = start;
        kernel.run(kernels_of<TypeParam>(Isa::scalar), expected, 0, extent.rows);
        for (const Isa isa : supported_isas()) {
          SCOPED_TRACE(name(isa));
          Operands<TypeParam> found = start;
          kernel.run(kernels_of<TypeParam>(isa), found, 0, extent.rows);
          expect_same_bits(expected, found);
        }
        if (this->HasFatalFailure()) return;
      }
    }
  }
}

TYPED_TEST(KernelLaws, RowsDoNotDependOnHowManyAreComputedAtOnce) {
  for (const auto& kernel : all_cases<TypeParam>()) {
    for (const Extent extent : extents) {
      SCOPED_TRACE(kernel.name + " " + std::to_string(extent.rows) + " x " + std::to_string(extent.cols));
      Rng rng(2);
      const Operands<TypeParam> start = kernel.make(extent.rows, extent.cols, rng);
      for (const Isa isa : supported_isas()) {
        if (isa == Isa::scalar && extent.rows * extent.cols > 2000) continue;  // the same code, slowly
        const auto& k = kernels_of<TypeParam>(isa);
        SCOPED_TRACE(name(isa));
        Operands<TypeParam> whole = start;
        kernel.run(k, whole, 0, extent.rows);
        for (const Index step : {1, 3, 11}) {
          Operands<TypeParam> parts = start;
          for (Index i = 0; i < extent.rows; i += step) kernel.run(k, parts, i, std::min(step, extent.rows - i));
          expect_same_bits(whole, parts);
        }
      }
      if (this->HasFatalFailure()) return;
    }
  }
}

TYPED_TEST(KernelLaws, ColumnsOfAProductDoNotDependOnTheirNeighbours) {
  using T = TypeParam;
  constexpr Index m = 48, k = 150, n = 144;  // all columns are whole vectors, parts of them are not
  Rng rng(3);
  const Matrix<T> A(m, k, rng), B(k, n, rng), B_rows(n, k, rng), bias(1, n, rng), C(m, n, rng), A_long(k, m, rng);
  const Matrix<T> A_open(m + 9, k, rng), G(m + 9, n, rng);
  Matrix<T> P(m, m + 9, rng);
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    const ops::Kernels<T>& kernels = kernels_of<T>(isa);
    Operands<T> whole = {C, C, C, C};
    Operands<T> parts = whole;
    const auto run = [&](Operands<T>& out, Index j, Index cols) {
      kernels.matmul(A.in(), B.in_columns(j, cols), bias.row(0) + j, false, out[0].out_columns(j, cols));
      kernels.matmul_transposed(A.in(), B_rows.in(j, cols), true, out[1].out_columns(j, cols));
      kernels.add_outer(T(0.5), A_long.in(), B.in_columns(j, cols), out[2].out_columns(j, cols));
      kernels.apply_updated(A.in(), {B.in_columns(j, cols), bias.row(0) + j, A_open.in(), G.in_columns(j, cols)},
                            bias.row(0), T(1), 9, P.out(), out[3].out_columns(j, cols));
    };
    run(whole, 0, n);
    for (Index j = 0, cols = 1; j < n; j += cols, cols += 9) run(parts, j, std::min(cols, n - j));
    expect_same_bits(whole, parts);
  }
}

// The sum over rows is cut every 128 rows, and one piece after the other is added.
TYPED_TEST(KernelLaws, LongSumsAreAddedInPieces) {
  using T = TypeParam;
  Rng rng(4);
  for (const Index pieces : {1, 2, 3, 8, 70}) {
    const Index rows = 128 * pieces - 7;
    const Matrix<T> A(rows, 9, rng), B(rows, 20, rng);
    Operands<T> expected = {{9, 20, rng}};
    const Operands<T> start = expected;
    for (Index i = 0; i < 9; ++i) {
      for (Index j = 0; j < 20; ++j) {
        for (Index p = 0; p < rows; p += 128) {
          T sum = 0;
          for (Index r = p; r < std::min(rows, p + 128); ++r) sum = std::fma(A.at(r, i), B.at(r, j), sum);
          expected[0].at(i, j) = std::fma(T(0.3), sum, expected[0].at(i, j));
        }
      }
    }
    for (const Isa isa : supported_isas()) {
      SCOPED_TRACE(name(isa));
      Operands<T> found = start;
      kernels_of<T>(isa).add_outer(T(0.3), A.in(), B.in(), found[0].out());
      expect_same_bits(expected, found);
    }
  }
}

TYPED_TEST(KernelLaws, ElementsMayBeComputedInPlace) {
  using T = TypeParam;
  Rng rng(5);
  const Matrix<T> a(6, 45, rng), b(6, 45, rng), weight(1, 45, rng), bias(1, 45, rng), rate(1, 6, rng);
  const ops::NormWeights<T> norm{weight.row(0), bias.row(0)};
  for (const Isa isa : supported_isas()) {
    SCOPED_TRACE(name(isa));
    const ops::Kernels<T>& k = kernels_of<T>(isa);
    const auto check = [&](const auto& run) {
      Operands<T> apart = {a};
      Operands<T> in_place = {a};
      run(a.in(), apart[0].out());
      run(in_place[0].in(), in_place[0].out());
      expect_same_bits(apart, in_place);
    };
    check([&](auto x, auto y) { k.gelu(x, y); });
    check([&](auto x, auto y) { k.gelu_gradient(b.in(), x, y); });
    check([&](auto x, auto y) { k.gelu_gate(x, b.in(), y); });
    check([&](auto x, auto y) { k.silu_gate(x, b.in(), y); });
    check([&](auto x, auto y) { k.sigmoid(x, T(2), y); });
    check([&](auto x, auto y) { k.subtract(x, b.in(), y); });
    check([&](auto x, auto y) { k.multiply(b.in(), x, y); });
    check([&](auto x, auto y) { k.layer_norm(x, norm, T(1e-6), {}, y); });
    check([&](auto x, auto y) { k.layer_norm(b.in(), norm, T(1e-6), x, y); });
    check([&](auto x, auto y) { k.layer_norm(b.in(), {nullptr, nullptr}, T(1e-6), x, y); });
    check([&](auto x, auto y) { k.rms_norm(x, weight.row(0), T(1e-6), y); });
    check([&](auto x, auto y) { k.reconstruction_gradient(x, b.in(), norm, T(1e-6), rate.row(0), y); });
    check([&](auto x, auto y) {
      Matrix<T> d_weight = b;
      k.layer_norm_vjp(b.in(), norm, T(1e-6), x, y, d_weight.out());
    });
  }
}

/// An instruction set of other machines.
#ifdef __aarch64__
constexpr Isa foreign = Isa::avx2;
#else
constexpr Isa foreign = Isa::neon;
#endif

// The table of a machine is part of what a run shows: a set that is supported but was not run would go unnoticed.
TEST(Dispatch, CoversWhatTheMachineSupports) {
  std::cout << "instruction sets covered:";
  for (const Isa isa : supported_isas()) std::cout << ' ' << name(isa);
  std::cout << '\n';
  EXPECT_TRUE(supported(Isa::scalar));
  EXPECT_FALSE(supported(foreign));
#ifdef __aarch64__
  EXPECT_TRUE(supported(Isa::neon));
#endif
#ifdef __x86_64__
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  EXPECT_EQ(supported(Isa::avx2), avx2);
  EXPECT_EQ(supported(Isa::avx512), avx2 && avx512);
#endif
}

TEST(Dispatch, SetIsaChoosesBothTables) {
  for (const Isa isa : supported_isas()) {
    set_isa(isa);
    EXPECT_EQ(active_isa(), isa);
    EXPECT_EQ(ops::kernels<float>().isa, isa);
    EXPECT_EQ(ops::kernels<double>().isa, isa);
  }
  const Isa before = active_isa();
  EXPECT_THROW(set_isa(foreign), Error);
  EXPECT_EQ(active_isa(), before);
}

/// What the first use of a kernel does in a fresh process with TTT_ISA set.
void use_with(const char* isa) {
  setenv("TTT_ISA", isa, 1);
  try {
    std::cerr << "uses " << name(ops::kernels<float>().isa) << '\n';
  } catch (const Error& e) {
    std::cerr << e.what() << '\n';
  }
  std::exit(0);
}

TEST(DispatchDeathTest, TheEnvironmentChooses) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Isa isa : supported_isas()) {
    EXPECT_EXIT(use_with(name(isa)), ::testing::ExitedWithCode(0), std::string("uses ") + name(isa));
  }
  EXPECT_EXIT(use_with("sse9"), ::testing::ExitedWithCode(0), "TTT_ISA: expected one of scalar.*, found \"sse9\"");
  EXPECT_EXIT(use_with(name(foreign)), ::testing::ExitedWithCode(0), "TTT_ISA: expected one of scalar.*, found");
}

}  // namespace
}  // namespace ttt
