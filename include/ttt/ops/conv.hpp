// SPDX-License-Identifier: MIT
// Causal depthwise convolution over time with a tail: y_t[c] = bias[c] + sum_j weight[c, 0, j] u_{t-(k-1)+j}[c].
// A stream remembers its last k - 1 inputs, so it can be cut anywhere. Spec section 2.
#pragma once

#include <algorithm>

#include "ttt/base/random.hpp"
#include "ttt/base/workspace.hpp"
#include "ttt/export.hpp"
#include "ttt/ops/rows.hpp"

namespace ttt {

template <class T>
struct ConvParams {
  Tensor<T, 3> weight;  // [channels, 1, k]
  Tensor<T, 1> bias;    // [channels]

  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("weight", s.weight...);
    f("bias", s.bias...);
  }
};

/// Fresh values: uniform(-1/sqrt(k), 1/sqrt(k)), PyTorch's default for one input channel in a group.
template <class T>
TTT_EXPORT void fill_uniform_taps(ConvParams<T>& conv, Rng& rng);

/// The taps as rows, [k, channels]: what the kernels read.
template <class T>
View<T> taps(Frame& frame, const Tensor<T, 3>& weight) {
  const Index channels = weight.extent(0), k = weight.extent(2);
  const View<T> rows = frame.take<T, 2>({k, channels});
  for (Index c = 0; c < channels; ++c) {
    for (Index j = 0; j < k; ++j) rows[j][c] = weight[c][0][j];
  }
  return rows;
}

/// Puts tail and new inputs of every stream one after the other: u[i] = [k - 1 + n, channels]. The tails become the
/// last k - 1 inputs. tail_of(i): [k - 1, channels]
template <class T, class TailOf>
void with_tails(ops::In<T> in, View<T, 3> u, const TailOf& tail_of) {
  const Index n = in.rows() / u.extent(0), tail = u.extent(1) - n;
  for (Index i = 0; i < u.extent(0); ++i) {
    const View<T> state = tail_of(i);
    copy(state, u[i].rows(0, tail));
    copy(in.rows(i * n, n), u[i].rows(tail, n));
    copy(u[i].rows(n, tail), state);
  }
}

/// Adjoint of `with_tails`: d_in is written; the tails' cotangents, at first those of the new tails, become those of
/// the old ones. du already holds what came back through the convolutions.
template <class T, class TailOf>
void with_tails_vjp(View<T, 3> du, View<T> d_in, const TailOf& d_tail_of) {
  const Index n = d_in.rows() / du.extent(0), tail = du.extent(1) - n;
  for (Index i = 0; i < du.extent(0); ++i) {
    const View<T> d_state = d_tail_of(i);
    ops::add(d_state, du[i].rows(n, tail));
    copy(du[i].rows(tail, n), d_in.rows(i * n, n));
    copy(du[i].rows(0, tail), d_state);
  }
}

/// y = conv(u) for all streams. u: [streams, k - 1 + n, channels], y: [streams * n, channels]
template <class T>
void convolve(const ConvParams<T>& conv, View<const T, 3> u, View<T> y, Workspace& work) {
  Frame frame(work);
  const View<T> weight = taps(frame, conv.weight);
  const Index n = y.rows() / u.extent(0), k = weight.rows();
  constexpr Index piece = 32;
  const Index pieces = (n + piece - 1) / piece, tasks = u.extent(0) * pieces;
  parallel_for(tasks, workers(tasks, static_cast<double>(y.size() * k)), [&](Index task, Index) {
    const Index i = task / pieces, t = task % pieces * piece, m = std::min(piece, n - t);
    ops::convolve(u[i].rows(t, m + k - 1), weight, conv.bias, y.rows(i * n + t, m));
  });
}

/// Adjoint of `convolve`: adds to du and to d_conv. Channels are independent, so threads share them out.
template <class T>
void convolve_vjp(const ConvParams<T>& conv, View<const T, 3> u, ops::In<T> dy, View<T, 3> du, ConvParams<T>& d_conv,
                  Workspace& work) {
  Frame frame(work);
  const View<T> weight = taps(frame, conv.weight), d_weight = taps(frame, d_conv.weight);
  const View<T> products = frame.take<T, 2>({dy.rows(), dy.cols()});
  const Index n = dy.rows() / u.extent(0), k = weight.rows();
  constexpr Index piece = 64;
  const Index tasks = (dy.cols() + piece - 1) / piece;
  parallel_for(tasks, workers(tasks, static_cast<double>(dy.size() * k)), [&](Index task, Index) {
    const Index c = task * piece, m = std::min(piece, dy.cols() - c);
    const auto part = [&](const auto& view) { return view.columns(c, m); };
    for (Index i = 0; i < u.extent(0); ++i) {
      ops::convolve_vjp(part(weight), part(dy).rows(i * n, n), part(du)[i]);
    }
    for (Index j = 0; j < k; ++j) {
      for (Index i = 0; i < u.extent(0); ++i) {
        ops::multiply(part(dy).rows(i * n, n), part(u)[i].rows(j, n), part(products).rows(i * n, n));
      }
      ops::add_column_sums(T(1), part(products), d_weight[j].rows(c, m));
    }
    ops::add_column_sums(T(1), part(dy), d_conv.bias.view().rows(c, m));
    for (Index j = 0; j < k; ++j) {
      for (Index channel = c; channel < c + m; ++channel) d_conv.weight[channel][0][j] = d_weight[j][channel];
    }
  });
}

}  // namespace ttt
