// SPDX-License-Identifier: MIT
// Eigen in and out: maps of views, views of Eigen matrices, neither copying. The only public header that includes
// Eigen.
#pragma once

#include <Eigen/Core>

#include "ttt/sequence/layer.hpp"

namespace ttt {

/// Dense, any size, rows contiguous: how the library stores matrices.
template <class T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A view as an Eigen matrix, on the same memory.
template <class T>
auto map(const View<T, 2>& view) {
  using Scalar = std::remove_const_t<T>;
  using Matrix = std::conditional_t<std::is_const_v<T>, const RowMajorMatrix<Scalar>, RowMajorMatrix<Scalar>>;
  return Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(view.data(), view.rows(), view.cols(),
                                                                    Eigen::OuterStride<>(view.stride(0)));
}

/// A vector as an Eigen row vector, on the same memory.
template <class T>
auto map(const View<T, 1>& view) {
  using Vector = Eigen::Matrix<std::remove_const_t<T>, 1, Eigen::Dynamic>;
  return Eigen::Map<std::conditional_t<std::is_const_v<T>, const Vector, Vector>>(view.data(), view.size());
}

/// Something that Eigen stores row by row, rows apart by any stride.
template <class Matrix>
concept RowMajorStorage = (Matrix::IsRowMajor != 0) && (Matrix::InnerStrideAtCompileTime == 1) && requires(Matrix m) {
  { m.outerStride() } -> std::convertible_to<Index>;
  m.data();
};

/// A row-major Eigen matrix (or map, or block of rows) as a view, on the same memory.
template <class Matrix>
requires RowMajorStorage<Matrix>
auto view(Matrix& m) {
  using T = std::remove_pointer_t<decltype(m.data())>;
  return View<T, 2>(m.data(), {m.rows(), m.cols()}, {m.outerStride(), 1});
}

/// Any Eigen expression as a tensor of one sequence, [1, rows, cols]: a COPY. For column-major matrices there is no
/// cheaper way.
template <class Derived>
Tensor<typename Derived::Scalar, 3> copy_of(const Eigen::MatrixBase<Derived>& m) {
  Tensor<typename Derived::Scalar, 3> tensor({1, m.rows(), m.cols()});
  map(tensor[0]) = m;
  return tensor;
}

/// One sequence, a token in each row, through a layer from a fresh state. A row-major matrix is read where it lies; any
/// other expression, a column-major matrix too, is copied first.
template <SequenceLayer S, class Derived>
RowMajorMatrix<typename S::Scalar> apply(const Layer<S>& layer, const Eigen::MatrixBase<Derived>& x) {
  using T = typename S::Scalar;
  RowMajorMatrix<T> y(x.rows(), x.cols());
  State<typename S::Stream> state = layer.start(1);
  Workspace work;
  const auto run = [&](View<const T, 2> rows) {
    layer.forward({rows.data(), {1, rows.rows(), rows.cols()}, {rows.rows() * rows.stride(0), rows.stride(0), 1}},
                  state, work, {y.data(), {1, y.rows(), y.cols()}});
  };
  if constexpr (RowMajorStorage<const Derived>) {
    run(view(x.derived()));
  } else {
    run(copy_of(x)[0]);
  }
  return y;
}

}  // namespace ttt
