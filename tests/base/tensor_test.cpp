// SPDX-License-Identifier: MIT
// Tensors own, views look: shapes, strides, and what is refused.
#include "ttt/base/tensor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace ttt {
namespace {

/// 0, 1, 2, ... in memory order.
Tensor<int, 3> counted(const Shape<3>& shape) {
  Tensor<int, 3> t(shape);
  std::iota(t.begin(), t.end(), 0);
  return t;
}

TEST(Tensor, IsZeroAndAligned) {
  for (Index n : {1, 3, 1000}) {
    const Tensor<float, 2> t({n, 7});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data()) % 64, 0u);
    EXPECT_EQ(t.size(), 7 * n);
    for (const float v : t) ASSERT_EQ(v, 0.0f);
  }
}

TEST(Tensor, IsRowMajor) {
  const Tensor<int, 3> t = counted({2, 3, 4});
  for (Index i = 0; i < 2; ++i) {
    for (Index j = 0; j < 3; ++j) {
      for (Index k = 0; k < 4; ++k) EXPECT_EQ(t[i][j][k], (i * 3 + j) * 4 + k);
    }
  }
}

TEST(Tensor, CopiesAreApartAndMovesTakeTheMemory) {
  Tensor<int, 3> a = counted({2, 3, 4});
  Tensor<int, 3> b = a;
  b[1][2][3] = -1;
  EXPECT_EQ(a[1][2][3], 23);
  const int* data = a.data();
  const Tensor<int, 3> c = std::move(a);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.shape(), (Shape<3>{2, 3, 4}));
}

TEST(Tensor, MayHaveNoElements) {
  const Tensor<int, 3> none({2, 0, 4}), unmade;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.shape(), (Shape<3>{2, 0, 4}));
  EXPECT_TRUE(unmade.empty());
  EXPECT_EQ(unmade.shape(), (Shape<3>{0, 0, 0}));
}

TEST(Tensor, RefusesShapesThatNoMemoryHolds) {
  const auto message = [](const Shape<2>& shape) -> std::string {
    try {
      Tensor<float, 2> t(shape);
    } catch (const ShapeError& e) {
      return e.what();
    }
    return "none";
  };
  EXPECT_EQ(message({3, -2}), "expected an extent of at least 0, found -2");
  EXPECT_NE(message({Index{1} << 40, Index{1} << 40}).find("more elements than memory can hold"), std::string::npos);
}

TEST(View, LooksAtPartsWithoutCopying) {
  Tensor<int, 3> t = counted({3, 4, 5});
  const View<int, 2> rows = t[1].row_range(1, 2);
  EXPECT_EQ(rows.shape(), (Shape<2>{2, 5}));
  EXPECT_EQ(rows[0][0], 25);
  const View<int, 2> part = t[1].columns(2, 2);
  EXPECT_EQ(part.shape(), (Shape<2>{4, 2}));
  EXPECT_EQ(part[3][1], 38);
  part[3][1] = -1;
  EXPECT_EQ(t[1][3][3], -1);
  EXPECT_EQ(t.view().row_range(2, 1)[0][0][0], 40);
}

TEST(View, KnowsWhetherItIsContiguous) {
  Tensor<int, 3> t({3, 4, 5});
  EXPECT_TRUE(t.view().contiguous());
  EXPECT_TRUE(t.view().row_range(1, 2).contiguous());
  EXPECT_TRUE(t[0].row_range(1, 2).contiguous());
  EXPECT_FALSE(t[0].columns(1, 2).contiguous());
  EXPECT_TRUE(t[0].row_range(1, 1).columns(1, 2).contiguous()) << "a single row";
  EXPECT_FALSE((View<int, 3>(t.data(), {3, 2, 5}, {20, 5, 1}).contiguous()));
}

TEST(View, CopyAndFillRespectStrides) {
  const Tensor<int, 3> from = counted({2, 3, 4});
  Tensor<int, 3> to({2, 3, 6});
  fill(to.view(), 7);
  for (Index i = 0; i < 2; ++i) copy<int, 2>(from[i], to[i].columns(1, 4));
  for (Index i = 0; i < 2; ++i) {
    for (Index j = 0; j < 3; ++j) {
      EXPECT_EQ(to[i][j][0], 7);
      EXPECT_EQ(to[i][j][5], 7);
      for (Index k = 0; k < 4; ++k) EXPECT_EQ(to[i][j][k + 1], from[i][j][k]);
    }
  }
}

TEST(View, LooksAtAnyContiguousRange) {
  const auto sum = [](View<const int, 1> v) { return std::accumulate(v.begin(), v.end(), 0); };
  std::vector<int> vector = {1, 2, 3};
  std::array<int, 2> array = {4, 5};
  int plain[] = {6, 7};
  EXPECT_EQ(sum(vector), 6);
  EXPECT_EQ(sum(std::as_const(vector)), 6);
  EXPECT_EQ(sum(std::vector<int>{1, 1}), 2);
  EXPECT_EQ(sum(array), 9);
  EXPECT_EQ(sum(plain), 13);
  EXPECT_EQ(sum(std::span(vector).last(2)), 5);
  EXPECT_EQ(sum(std::vector<int>()), 0);

  const View<int, 1> mutable_view = vector;
  EXPECT_EQ(mutable_view.data(), vector.data());
  EXPECT_EQ(mutable_view.shape(), (Shape<1>{3}));
  fill(mutable_view, 9);
  EXPECT_EQ(vector, (std::vector<int>{9, 9, 9}));
  fill(View<int, 1>(std::span(array)), 8);
  EXPECT_EQ(sum(array), 16);
}

TEST(View, ShapesReadAsLists) {
  EXPECT_EQ(to_string(Shape<3>{2, 16, 64}), "[2, 16, 64]");
  EXPECT_EQ(to_string(Shape<1>{0}), "[0]");
}

}  // namespace
}  // namespace ttt
