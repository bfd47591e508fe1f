// SPDX-License-Identifier: MIT
// What the functions of a TTT layer pass to each other: the layer as they see it, and the rows of a batch.
#pragma once

#include "ttt/inner/mini_batch.hpp"
#include "ttt/ops/conv.hpp"
#include "ttt/ops/streams.hpp"
#include "ttt/sequence/ttt/stream.hpp"

namespace ttt::detail {

/// The streams of a batch.
template <InnerModel M>
using TttStreams = View<TttStream<M>*, 1>;

/// What the layer functions read: hyperparameters, parameters, and the rotary table made from the former.
template <InnerModel M>
struct TttRef {
  using T = typename M::Scalar;

  const TttConfig& config;
  const TttParams<M>& params;
  View<const T> rotary;  // [mini_batch_size, 2 head_dim]; empty: no rotation
};

/// Tokens of a batch as all heads see them, or their cotangents: Q, K and target [rows, C], rate and scale [H, rows].
template <class T>
struct TttTokens {
  View<T> Q, K, target, rate, scale;

  static TttTokens take(Frame& frame, const TttConfig& config, Index rows) {
    const Shape<2> shape{rows, config.hidden_size}, of_heads{config.num_heads, rows};
    return {frame.take<T, 2>(shape), frame.take<T, 2>(shape), frame.take<T, 2>(shape), frame.take<T, 2>(of_heads),
            frame.take<T, 2>(of_heads)};
  }

  /// Those of stream i in head h, of D channels.
  inner::Tokens<T> head(const Streams& rows, Index i, Index h, Index D) const {
    const auto part = [&](const View<T>& v) { return rows.of(v, i).columns(h * D, D); };
    const auto of_tokens = [&](const View<T>& v) { return v[h].row_range(rows.begin(i), rows.length(i)); };
    return {part(Q), part(K), part(target), of_tokens(rate), of_tokens(scale)};
  }
};

/// What one forward pass computes.
template <class T>
struct TttActivations {
  Streams rows;
  View<const T> x;      // [rows, C]  the layer's input; not a copy
  View<T> u;            // inputs of the q/k convolutions, with tails; share_qk
  TttTokens<T> tokens;  // target: V - K; scale is one row for all heads
  View<T> rate_logits;  // [H, rows]
  View<T> heads;        // [rows, C]  outputs of all heads
  View<T> gate;         // [rows, C]  before its GELU; use_gate

  static TttActivations take(Frame& frame, const TttConfig& config, const Streams& rows, View<const T> x) {
    const Index n = x.rows(), C = config.hidden_size, H = config.num_heads;
    TttActivations a;
    a.rows = rows;
    a.x = x;
    if (config.share_qk) a.u = frame.take<T, 2>({ops::rows_with_tails(rows, config.conv_kernel - 1), C});
    for (View<T>* view : {&a.tokens.Q, &a.tokens.K, &a.tokens.target, &a.heads}) *view = frame.take<T, 2>({n, C});
    for (View<T>* view : {&a.rate_logits, &a.tokens.rate}) *view = frame.take<T, 2>({H, n});
    a.tokens.scale = {frame.take<T, 1>({n}).data(), {H, n}, {0, 1}};
    if (config.use_gate) a.gate = frame.take<T, 2>({n, C});
    return a;
  }

  inner::Tokens<const T> head(Index i, Index h, Index D) const {
    const inner::Tokens<T> t = tokens.head(rows, i, h, D);
    return {t.Q, t.K, t.target, t.rate, t.scale};
  }
};

}  // namespace ttt::detail
