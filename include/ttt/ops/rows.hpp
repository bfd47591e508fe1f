// SPDX-License-Identifier: MIT
// Work over the rows of a batch, cut among threads. Cuts never change a bit: kernels compute an element alike wherever
// a piece begins.
#pragma once

#include <algorithm>

#include "ttt/base/parallel.hpp"
#include "ttt/ops/ops.hpp"

namespace ttt::ops {

/// Calls body(first, n) for pieces of `rows` rows, together all of them; `operations` are the arithmetic of one row.
template <class Body>
void for_rows(Index rows, double operations, const Body& body) {
  constexpr Index piece = 32;
  const Index tasks = (rows + piece - 1) / piece;
  parallel_for(tasks, detail::worker_count(tasks, static_cast<double>(rows) * operations),
               [&](Index task, Index) { body(task * piece, std::min(piece, rows - task * piece)); });
}

/// sums += the sum of all rows.
template <class T>
void add_row_sums(In<T> rows, View<T, 1> sums) {
  constexpr Index piece = 64;
  const Index tasks = (sums.size() + piece - 1) / piece;
  parallel_for(tasks, detail::worker_count(tasks, static_cast<double>(rows.size())), [&](Index task, Index) {
    const Index c = task * piece, n = std::min(piece, sums.size() - c);
    add_column_sums(T(1), rows.columns(c, n), sums.row_range(c, n));
  });
}

/// y += x over whole matrices.
template <class T>
void add_rows(In<T> x, View<T> y) {
  for_rows(y.rows(), static_cast<double>(y.cols()),
           [&](Index r, Index n) { add(x.row_range(r, n), y.row_range(r, n)); });
}

}  // namespace ttt::ops
