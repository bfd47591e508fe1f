// SPDX-License-Identifier: MIT
// Products with the weights of dense layers, y = x W^T, cut among threads.
#pragma once

#include <initializer_list>

#include "ttt/base/parallel.hpp"
#include "ttt/ops/dense.hpp"

namespace ttt::ops {

/// One of several products of the same rows.
template <class T>
struct Projection {
  const Dense<T>& W;
  View<T> y;  // [rows, out]
};

/// y = x W^T for every projection, all of them in one parallel loop. x: [rows, in]
template <class T>
void project(View<const T> x, std::initializer_list<Projection<T>> projections) {
  // About 256 rows at a time, in whole tiles of 6 and in equal parts; few rows leave tasks for all threads.
  const Index rows = x.rows(), parts = (rows + 255) / 256;
  const Index row_piece = parts > 1 ? ((rows + parts - 1) / parts + 5) / 6 * 6 : std::max<Index>(rows, 1);
  const Index out_piece = (parts > 1 ? 4 : 1) * Dense<T>::panel_outputs;
  const Index row_tasks = (rows + row_piece - 1) / row_piece;
  const auto out_tasks = [&](const Dense<T>& W) { return (W.extent(0) + out_piece - 1) / out_piece; };
  Index tasks = 0;
  double operations = 0;
  for (const auto& [W, y] : projections) {
    assert(x.cols() == W.extent(1) && y.cols() == W.extent(0) && rows == y.rows());
    tasks += row_tasks * out_tasks(W);
    operations += 2.0 * static_cast<double>(rows) * static_cast<double>(W.size());
  }
  parallel_for(tasks, detail::worker_count(tasks, operations), [&](Index task, Index) {
    const Projection<T>* one = projections.begin();
    for (; task >= row_tasks * out_tasks(one->W); ++one) task -= row_tasks * out_tasks(one->W);
    const auto& [W, y] = *one;
    const Index r = task / out_tasks(W) * row_piece, o = task % out_tasks(W) * out_piece;
    const Index n = std::min(row_piece, rows - r), m = std::min(out_piece, W.extent(0) - o);
    const View<const T> from = x.row_range(r, n);
    const View<T> to = y.row_range(r, n).columns(o, m);
    kernels<T>().project({from.data(), n, from.cols(), from.stride(0)}, W.panels(o, m),
                         {to.data(), n, m, to.stride(0)});
  });
}

/// y = x W^T. x: [rows, in], y: [rows, out]
template <class T>
void project(std::type_identity_t<View<const T>> x, const Dense<T>& W, View<T> y) {
  project<T>(x, {{W, y}});
}

/// Adjoint of `project`: dx += dy W, dW += dy^T x. W and dW are of full format.
template <class T>
void project_vjp(std::type_identity_t<View<const T>> x, const Dense<T>& W, std::type_identity_t<View<const T>> dy,
                 View<T> dx, Dense<T>& dW) {
  constexpr Index row_piece = 512, piece = 4 * Dense<T>::panel_outputs;
  const Index inputs = W.extent(1), outputs = W.extent(0);
  const double operations = 2.0 * static_cast<double>(x.rows()) * static_cast<double>(W.size());
  // Equal parts of at most 192 inputs, which is what a kernel packs at once.
  const Index parts = std::max<Index>((inputs + 191) / 192, 1), in_piece = (inputs + parts - 1) / parts;
  const Index out_tasks = (outputs + piece - 1) / piece;
  parallel_for(out_tasks * parts, detail::worker_count(out_tasks * parts, operations), [&](Index task, Index) {
    const Index o = task / parts * piece, i = task % parts * in_piece;
    const Index n = std::min(in_piece, inputs - i), m = std::min(piece, outputs - o);
    kernels<T>().add_weight_vjp({x.data() + i, x.rows(), n, x.stride(0)}, {dy.data() + o, dy.rows(), m, dy.stride(0)},
                                i, inputs, dW.panel(o));
  });
  const Index row_tasks = (x.rows() + row_piece - 1) / row_piece, in_tasks = (inputs + piece - 1) / piece;
  parallel_for(row_tasks * in_tasks, detail::worker_count(row_tasks * in_tasks, operations), [&](Index task, Index) {
    const Index r = task / in_tasks * row_piece, i = task % in_tasks * piece;
    const Index n = std::min(row_piece, x.rows() - r), m = std::min(piece, inputs - i);
    const View<const T> from = dy.row_range(r, n);
    const View<T> to = dx.row_range(r, n).columns(i, m);
    kernels<T>().add_project_vjp({from.data(), n, from.cols(), from.stride(0)}, W.panels(), i,
                                 {to.data(), n, m, to.stride(0)});
  });
}

}  // namespace ttt::ops
