// SPDX-License-Identifier: MIT
// Causal depthwise convolution over time with a tail: y_t[c] = bias[c] + sum_j weight[c, 0, j] u_{t-(k-1)+j}[c].
// A stream remembers its last k - 1 inputs, so it can be cut anywhere.
#pragma once

#include <algorithm>

#include "ttt/base/random.hpp"
#include "ttt/base/workspace.hpp"
#include "ttt/export.hpp"
#include "ttt/ops/rows.hpp"
#include "ttt/ops/streams.hpp"

namespace ttt {

/// Weights of a depthwise convolution.
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

namespace ops {

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

/// Rows of `with_tails`: the inputs of every stream with `tail` rows before them.
inline Index rows_with_tails(const Streams& streams, Index tail) { return streams.rows() + streams.count() * tail; }

/// What the convolution of stream i reads: its rows of u.
template <class T>
View<T> with_tail(const View<T>& u, const Streams& streams, Index tail, Index i) {
  return u.row_range(streams.begin(i) + i * tail, tail + streams.length(i));
}

/// Puts tail and new inputs of every stream one after the other into u [rows_with_tails, channels]. The tails become
/// the last inputs. tail_of(i): [k - 1, channels]
template <class T, class TailOf>
void with_tails(In<T> in, const Streams& streams, View<T> u, const TailOf& tail_of) {
  for (Index i = 0; i < streams.count(); ++i) {
    const View<T> state = tail_of(i);
    const Index tail = state.rows(), n = streams.length(i);
    const View<T> all = with_tail(u, streams, tail, i);
    ttt::copy(state, all.row_range(0, tail));
    ttt::copy(streams.of(in, i), all.row_range(tail, n));
    ttt::copy(all.row_range(n, tail), state);
  }
}

/// Adjoint of `with_tails`: d_in is written; the tails' cotangents, at first those of the new tails, become those of
/// the old ones. du already holds what came back through the convolutions.
template <class T, class TailOf>
void with_tails_vjp(View<T> du, const Streams& streams, View<T> d_in, const TailOf& d_tail_of) {
  for (Index i = 0; i < streams.count(); ++i) {
    const View<T> d_state = d_tail_of(i);
    const Index tail = d_state.rows(), n = streams.length(i);
    const View<T> d_all = with_tail(du, streams, tail, i);
    add(d_state, d_all.row_range(n, tail));
    ttt::copy(d_all.row_range(tail, n), streams.of(d_in, i));
    ttt::copy(d_all.row_range(0, tail), d_state);
  }
}

/// y = conv(u) for all streams. u: [rows_with_tails, channels], y: [rows, channels]
template <class T>
void convolve(const ConvParams<T>& conv, In<T> u, const Streams& streams, View<T> y, Workspace& work) {
  Frame frame(work);
  const View<T> weight = taps(frame, conv.weight);
  const Index k = weight.rows();
  constexpr Index piece = 32;
  const Index pieces = (streams.longest() + piece - 1) / piece, tasks = streams.count() * pieces;
  const double operations = static_cast<double>(y.size() * k);
  parallel_for(tasks, detail::worker_count(tasks, operations), [&](Index task, Index) {
    const Index i = task / pieces, t = task % pieces * piece;
    const Index m = std::min(piece, streams.length(i) - t);
    if (m <= 0) return;
    const View<const T> in = with_tail(u, streams, k - 1, i).row_range(t, m + k - 1);
    convolve(in, weight, conv.bias, streams.of(y, i).row_range(t, m));
  });
}

/// Adjoint of `convolve`: adds to du and to d_conv. Channels are independent, so threads share them out.
template <class T>
void convolve_vjp(const ConvParams<T>& conv, In<T> u, const Streams& streams, In<T> dy, View<T> du,
                  ConvParams<T>& d_conv, Workspace& work) {
  Frame frame(work);
  const View<T> weight = taps(frame, conv.weight), d_weight = taps(frame, d_conv.weight);
  const View<T> products = frame.take<T, 2>({dy.rows(), dy.cols()});
  const Index k = weight.rows();
  constexpr Index piece = 64;
  const Index tasks = (dy.cols() + piece - 1) / piece;
  parallel_for(tasks, detail::worker_count(tasks, static_cast<double>(dy.size() * k)), [&](Index task, Index) {
    const Index c = task * piece, m = std::min(piece, dy.cols() - c);
    const auto part = [&](const auto& view) { return view.columns(c, m); };
    const auto stream = [&](const auto& rows, Index i) { return with_tail(part(rows), streams, k - 1, i); };
    for (Index i = 0; i < streams.count(); ++i) convolve_vjp(part(weight), streams.of(part(dy), i), stream(du, i));
    for (Index j = 0; j < k; ++j) {
      for (Index i = 0; i < streams.count(); ++i) {
        multiply(streams.of(part(dy), i), stream(u, i).row_range(j, streams.length(i)), streams.of(part(products), i));
      }
      add_column_sums(T(1), part(products), d_weight[j].row_range(c, m));
    }
    add_column_sums(T(1), part(dy), d_conv.bias.view().row_range(c, m));
    for (Index j = 0; j < k; ++j) {
      for (Index channel = c; channel < c + m; ++channel) d_conv.weight[channel][0][j] = d_weight[j][channel];
    }
  });
}

}  // namespace ops

}  // namespace ttt
