// SPDX-License-Identifier: MIT
// Eigen in and out: the same memory both ways, and layers that give the same bits however Eigen stores their input.
#include "ttt/eigen.hpp"

#include <limits>
#include <utility>

#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt {
namespace {

/// The map has the view's memory, and its elements at the view's places.
template <class T>
void expect_map_of(const View<T>& view) {
  const auto m = map(view);
  static_assert(std::is_same_v<decltype(m.data()), const std::remove_const_t<T>*>);  // of a const map
  EXPECT_EQ(m.data(), view.data());
  EXPECT_EQ(m.outerStride(), view.stride(0));
  EXPECT_EQ(m.innerStride(), 1);
  ASSERT_EQ(m.rows(), view.rows());
  ASSERT_EQ(m.cols(), view.cols());
  for (Index i = 0; i < view.rows(); ++i) {
    for (Index j = 0; j < view.cols(); ++j) EXPECT_EQ(m(i, j), view[i][j]) << i << ", " << j;
  }
}

TEST(EigenMap, IsTheViewsMemory) {
  Rng rng(1);
  Tensor<float, 2> t = normal<float, 2>({5, 7}, rng);
  expect_map_of(t.view());
  expect_map_of(t.view().row_range(1, 3));
  expect_map_of(t.view().columns(2, 4));
  expect_map_of(t.view().row_range(2, 2).columns(6, 1));
  expect_map_of(std::as_const(t).view().columns(2, 4));

  map(t.view().columns(2, 4))(3, 1) = 42;
  EXPECT_EQ(t[3][3], 42);
}

TEST(EigenMap, OfAConstViewCannotBeWritten) {
  using Found = decltype(map(std::declval<View<const float>>()));
  static_assert(!std::is_assignable_v<decltype(std::declval<Found&>()(0, 0)), float>);
  static_assert(
      std::is_assignable_v<decltype(std::declval<decltype(map(std::declval<View<float>>()))&>()(0, 0)), float>);
}

TEST(EigenMap, OfAVectorIsARow) {
  Rng rng(2);
  Tensor<double, 1> t = normal<double, 1>({6}, rng);
  auto row = map(t.view());
  EXPECT_EQ(row.data(), t.data());
  ASSERT_EQ(row.rows(), 1);
  ASSERT_EQ(row.cols(), 6);
  row(4) = 42;
  EXPECT_EQ(t[4], 42);
  const auto read = map(std::as_const(t).view());
  EXPECT_EQ(read.data(), t.data());
  EXPECT_EQ(read(5), t[5]);
}

/// The view has the matrix's memory, and its elements at the matrix's places.
template <class Matrix>
void expect_view_of(Matrix& m, Index stride) {
  const auto v = view(m);
  EXPECT_EQ(v.data(), m.data());
  EXPECT_EQ(v.shape(), (Shape<2>{m.rows(), m.cols()}));
  EXPECT_EQ(v.stride(0), stride);
  for (Index i = 0; i < v.rows(); ++i) {
    for (Index j = 0; j < v.cols(); ++j) EXPECT_EQ(&v[i][j], &m.coeffRef(i, j)) << i << ", " << j;
  }
}

TEST(EigenView, IsTheMatrixsMemory) {
  RowMajorMatrix<float> m = RowMajorMatrix<float>::Random(5, 7);
  expect_view_of(m, 7);
  auto rows = m.middleRows(1, 3);
  expect_view_of(rows, 7);
  EXPECT_EQ(view(rows).data(), m.data() + 7);
  auto corner = m.block(1, 2, 3, 4);
  expect_view_of(corner, 7);
  EXPECT_EQ(view(corner).data(), m.data() + 9);
  Eigen::Map<RowMajorMatrix<float>> contiguous(m.data(), 7, 5);
  expect_view_of(contiguous, 5);
  Eigen::Map<RowMajorMatrix<float>, Eigen::Unaligned, Eigen::OuterStride<>> strided(m.data(), 4, 3,
                                                                                    Eigen::OuterStride<>(8));
  expect_view_of(strided, 8);

  const RowMajorMatrix<float>& read = m;
  static_assert(std::is_same_v<decltype(view(read)), View<const float>>);
  expect_view_of(read, 7);
}

template <class Matrix>
concept Viewable = requires(Matrix& m) {
  view(m);
};

// What would have to be copied first.
static_assert(!Viewable<Eigen::MatrixXf>);
static_assert(!Viewable<Eigen::Map<RowMajorMatrix<float>, Eigen::Unaligned, Eigen::Stride<-1, -1>>>);

template <class M>
class EigenApply : public testing::Test {};

using Models = testing::Types<inner::Linear<float>, inner::Linear<double>, inner::Mlp<float>, inner::Mlp<double>>;
TYPED_TEST_SUITE(EigenApply, Models);

TYPED_TEST(EigenApply, GivesTheLayersBits) {
  using T = typename TypeParam::Scalar;
  Rng rng(3);
  const Ttt<TypeParam> layer = support::random_ttt<TypeParam>(support::full_config(), rng);
  const Tensor<T, 3> x = normal<T, 3>({1, 23, 18}, rng);
  const Tensor<T, 3> expected = layer(x);
  const auto expect_output = [&](const RowMajorMatrix<T>& y) { EXPECT_TRUE(support::same_bits(copy_of(y), expected)); };
  using ColumnMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

  const RowMajorMatrix<T> rows = map(x[0]);
  const ColumnMajor columns = map(x[0]);
  expect_output(apply(layer, rows));
  expect_output(apply(layer, columns));
  expect_output(apply(layer, map(x[0])));
  expect_output(apply(layer, T(0.5) * (rows + columns)));  // exact

  // Inside larger matrices, whose other elements must not be read.
  RowMajorMatrix<T> wide = RowMajorMatrix<T>::Constant(25, 20, std::numeric_limits<T>::quiet_NaN());
  wide.block(1, 2, 23, 18) = rows;
  expect_output(apply(layer, wide.block(1, 2, 23, 18)));
  ColumnMajor tall = wide;
  expect_output(apply(layer, tall.block(1, 2, 23, 18)));
}

}  // namespace
}  // namespace ttt
