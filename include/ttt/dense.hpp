// SPDX-License-Identifier: MIT
// Work over the rows of a batch, cut among threads: dense layers y = x W^T with W [out, in] as checkpoints store it,
// and loops over pieces of rows. Cuts never change a bit: kernels compute an element alike wherever a piece begins.
#pragma once

#include <algorithm>

#include "ttt/ops.hpp"
#include "ttt/parallel.hpp"

namespace ttt {

/// Calls body(first, n) for pieces of `rows` rows, together all of them; `operations` are the arithmetic of one row.
template <class Body>
void for_rows(Index rows, double operations, const Body& body) {
  constexpr Index piece = 32;
  const Index tasks = (rows + piece - 1) / piece;
  parallel_for(tasks, workers(tasks, static_cast<double>(rows) * operations),
               [&](Index task, Index) { body(task * piece, std::min(piece, rows - task * piece)); });
}

/// y = x W^T. x: [rows, in], W: [out, in], y: [rows, out]
template <class T>
void project(ops::In<T> x, ops::In<T> W, View<T> y) {
  constexpr Index row_piece = 128, out_piece = 64;
  const Index row_tasks = (x.rows() + row_piece - 1) / row_piece, out_tasks = (W.rows() + out_piece - 1) / out_piece;
  const double operations = 2.0 * static_cast<double>(x.rows()) * static_cast<double>(W.size());
  parallel_for(row_tasks * out_tasks, workers(row_tasks * out_tasks, operations), [&](Index task, Index) {
    const Index r = task / out_tasks * row_piece, o = task % out_tasks * out_piece;
    const Index n = std::min(row_piece, x.rows() - r), m = std::min(out_piece, W.rows() - o);
    ops::matmul_transposed(x.rows(r, n), W.rows(o, m), y.rows(r, n).columns(o, m));
  });
}

/// Adjoint of `project`: dx += dy W, dW += dy^T x.
template <class T>
void project_vjp(ops::In<T> x, ops::In<T> W, ops::In<T> dy, View<T> dx, View<T> dW) {
  constexpr Index piece = 64;
  const double operations = 2.0 * static_cast<double>(x.rows()) * static_cast<double>(W.size());
  const Index out_tasks = (W.rows() + piece - 1) / piece, row_tasks = (x.rows() + piece - 1) / piece;
  parallel_for(out_tasks, workers(out_tasks, operations), [&](Index task, Index) {
    const Index o = task * piece, m = std::min(piece, W.rows() - o);
    ops::add_outer(T(1), dy.columns(o, m), x, dW.rows(o, m));
  });
  parallel_for(row_tasks, workers(row_tasks, operations), [&](Index task, Index) {
    const Index r = task * piece, n = std::min(piece, x.rows() - r);
    ops::add_matmul(dy.rows(r, n), W, dx.rows(r, n));
  });
}

/// sums += the sum of all rows.
template <class T>
void add_row_sums(ops::In<T> rows, View<T, 1> sums) {
  constexpr Index piece = 64;
  const Index tasks = (sums.size() + piece - 1) / piece;
  parallel_for(tasks, workers(tasks, static_cast<double>(rows.size())), [&](Index task, Index) {
    const Index c = task * piece, n = std::min(piece, sums.size() - c);
    ops::add_column_sums(T(1), rows.columns(c, n), sums.rows(c, n));
  });
}

/// y += x over whole matrices.
template <class T>
void add_rows(ops::In<T> x, View<T> y) {
  for_rows(y.rows(), static_cast<double>(y.cols()), [&](Index r, Index n) { ops::add(x.rows(r, n), y.rows(r, n)); });
}

}  // namespace ttt
