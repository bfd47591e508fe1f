// SPDX-License-Identifier: MIT
// RMS norm over the rows of a batch, cut among threads.
#pragma once

#include "ttt/base/workspace.hpp"
#include "ttt/ops/rows.hpp"

namespace ttt::ops {

template <class T>
void rms_norm_rows(In<T> x, const Tensor<T, 1>& weight, double epsilon, View<T> y) {
  for_rows(x.rows(), 4.0 * static_cast<double>(x.cols()),
           [&](Index r, Index m) { rms_norm(x.row_range(r, m), weight, epsilon, y.row_range(r, m)); });
}

/// dx += ..., d_weight += ...
template <class T>
void rms_norm_rows_vjp(In<T> x, const Tensor<T, 1>& weight, double epsilon, In<T> dy, View<T> dx,
                       Tensor<T, 1>& d_weight, Workspace& work) {
  Frame frame(work);
  const View<T> weight_rows = frame.take<T, 2>({x.rows(), x.cols()});
  for_rows(x.rows(), 8.0 * static_cast<double>(x.cols()), [&](Index r, Index m) {
    rms_norm_vjp(x.row_range(r, m), weight, epsilon, dy.row_range(r, m), dx.row_range(r, m),
                 weight_rows.row_range(r, m));
  });
  add_row_sums(weight_rows, d_weight.view());
}

}  // namespace ttt::ops
