// SPDX-License-Identifier: MIT
// The walk over the mini-batches of one head of one stream, forward and in reverse. Prefill, streaming and training are
// three ways to call it.
#pragma once

#include "ttt/inner/concept.hpp"

namespace ttt {

/// A piece of a sequence as one head sees it.
template <class T>
struct HeadSequence {
  View<const T> Q, K, target;  // [time, head_dim]
  View<const T, 1> rate;       // [time]

  Index size() const { return Q.rows(); }

  Tokens<T> tokens(Index t, Index n, Index first, View<const T, 1> scale) const {
    return {first,
            std::min(size(), scale.size()),
            Q.rows(t, n),
            K.rows(t, n),
            target.rows(t, n),
            rate.rows(t, n),
            scale.rows(first, n)};
  }
};

/// Cotangents of a HeadSequence, all written; `scale` holds the position factor's for each token.
template <class T>
struct HeadSequenceGradients {
  View<T> Q, K, target;    // [time, head_dim]
  View<T, 1> rate, scale;  // [time]

  TokenGradients<T> tokens(Index t, Index n) const {
    return {Q.rows(t, n), K.rows(t, n), target.rows(t, n), rate.rows(t, n), scale.rows(t, n)};
  }
};

namespace detail {

template <class M>
Trace<M> take_trace(Frame& frame, Index rows, Index head_dim) {
  using T = typename M::Scalar;
  Trace<M> trace;
  const auto shapes = M::shapes(head_dim);
  for (std::size_t i = 0; i < M::depth; ++i) {
    const Index inputs = i > 0 ? shapes[i].in : 0;
    trace[i] = {frame.take<T, 2>({rows, shapes[i].out}), frame.take<T, 2>({rows, shapes[i].out}),
                frame.take<T, 2>({rows, inputs}), frame.take<T, 2>({rows, inputs})};
  }
  return trace;
}

template <class M>
Trace<M> first_rows(const Trace<M>& trace, Index n) {
  Trace<M> rows;
  for (std::size_t i = 0; i < M::depth; ++i) {
    const auto first = [n](const auto& v) { return v.rows(0, n); };
    rows[i] = {first(trace[i].Z), first(trace[i].Z_bar), first(trace[i].X_bar), first(trace[i].S)};
  }
  return rows;
}

template <class M>
HeadState<M> take_state(Frame& frame, Index mini_batch_size, Index head_dim) {
  using T = typename M::Scalar;
  HeadState<M> state;
  const auto shapes = M::shapes(head_dim);
  for (std::size_t i = 0; i < M::depth; ++i) {
    state[i] = {frame.take<T, 2>({shapes[i].in, shapes[i].out}), frame.take<T, 2>({1, shapes[i].out}),
                frame.take<T, 2>({mini_batch_size, shapes[i].in}), frame.take<T, 2>({mini_batch_size, shapes[i].out})};
  }
  return state;
}

template <class M>
void copy_weights(const HeadState<M>& from, const HeadState<M>& to) {
  for (std::size_t i = 0; i < M::depth; ++i) {
    copy(from[i].W, to[i].W);
    copy(from[i].b, to[i].b);
  }
}

template <class M>
void copy_open_rows(const HeadState<M>& from, const HeadState<M>& to, Index n) {
  for (std::size_t i = 0; i < M::depth; ++i) {
    copy(from[i].X.rows(0, n), to[i].X.rows(0, n));
    copy(from[i].G.rows(0, n), to[i].G.rows(0, n));
  }
}

/// Asks for the open rows before they are read: they lie in pieces that the machine does not foresee. Inlined always,
/// as GCC drops calls of functions that do nothing but prefetch.
template <class M>
[[gnu::always_inline]] inline void prefetch_open_rows(const HeadState<M>& state, Index n) {
  constexpr Index line = 64 / Index{sizeof(typename M::Scalar)};
  for (const auto& map : state) {
    for (const auto& rows : {map.X.rows(0, n), map.G.rows(0, n)}) {
      for (Index i = 0; i < rows.size(); i += line) __builtin_prefetch(rows.data() + i);
    }
  }
}

template <class M>
void clear_rows(const HeadState<M>& state, Index first, Index n) {
  using T = typename M::Scalar;
  for (std::size_t i = 0; i < M::depth; ++i) {
    fill(state[i].X.rows(first, n), T(0));
    fill(state[i].G.rows(first, n), T(0));
  }
}

template <class M>
void commit_all(const HeadState<M>& state, typename M::Scalar scale, typename M::Scalar bias_step) {
  for (const auto& map : state) commit(map, scale, bias_step);
}

/// Cuts `time` tokens, of which the first finds `open` rows in its mini-batch, into pieces of one mini-batch each.
struct MiniBatches {
  Index time, open, size;

  Index count() const { return time == 0 ? 0 : (open + time + size - 1) / size; }
  Index start(Index i) const { return i == 0 ? 0 : i * size - open; }
  Index first(Index i) const { return i == 0 ? open : 0; }
  Index length(Index i) const { return std::min(time, (i + 1) * size - open) - start(i); }
  bool full(Index i) const { return first(i) + length(i) == size; }
};

}  // namespace detail

/// Reads a piece of a sequence: `open` rows stand in the open mini-batch already. `scale` is [b].
/// Before mini-batch i is read, before_mini_batch(i, tokens) is called.
template <InnerModel M, class F>
void walk(const HeadState<M>& state, Index open, const HeadSettings<typename M::Scalar>& head,
          View<const typename M::Scalar, 1> scale, const HeadSequence<typename M::Scalar>& in,
          View<typename M::Scalar> out, Workspace& scratch, const F& before_mini_batch) {
  using T = typename M::Scalar;
  Frame frame(scratch);
  const Index b = scale.size();
  const Trace<M> trace = detail::take_trace<M>(frame, std::min(b, in.size()), out.cols());
  const detail::MiniBatches pieces{in.size(), open, b};
  detail::prefetch_open_rows<M>(state, open);
  for (Index i = 0; i < pieces.count(); ++i) {
    const Index t = pieces.start(i), n = pieces.length(i);
    const Tokens<T> tokens = in.tokens(t, n, pieces.first(i), scale);
    before_mini_batch(i, tokens);
    M::extend(state, head, tokens, detail::first_rows<M>(trace, n), out.rows(t, n), scratch);
    if (pieces.full(i)) detail::commit_all<M>(state, scale[b - 1], head.bias_step);
  }
}

/// Adjoint of `walk`. Weights are kept only at every `group`-th mini-batch, by `saved(g)`, which gives the state before
/// mini-batch g * group (for g = 0 with its open rows); what lies between is computed again.
/// d_state holds the cotangent of the final state, and at the end that of the initial state.
/// d_norm_of(g) gives the two vectors [head_dim] to which group g's gradients of the inner norm are added.
template <InnerModel M, class Saved, class NormOf>
void walk_vjp(const Saved& saved, Index open, Index group, const HeadSettings<typename M::Scalar>& head,
              View<const typename M::Scalar, 1> scale, const HeadSequence<typename M::Scalar>& in,
              View<const typename M::Scalar> d_out, const HeadState<M>& d_state,
              const HeadSequenceGradients<typename M::Scalar>& d_in, const NormOf& d_norm_of, Workspace& scratch) {
  using T = typename M::Scalar;
  Frame frame(scratch);
  const Index b = scale.size(), D = d_out.cols();
  const detail::MiniBatches pieces{in.size(), open, b};
  const Index in_group = std::min(group, pieces.count());
  const View<HeadState<M>, 1> states = frame.take<HeadState<M>, 1>({in_group});
  const View<Trace<M>, 1> traces = frame.take<Trace<M>, 1>({in_group});
  for (Index j = 0; j < in_group; ++j) {
    states[j] = detail::take_state<M>(frame, b, D);
    traces[j] = detail::take_trace<M>(frame, std::min(b, in.size()), D);
  }
  const View<T> out = frame.take<T, 2>({std::min(b, in.size()), D});
  const NormGradientRows<T> norm_rows{frame.take<T, 2>({out.rows(), D}), frame.take<T, 2>({out.rows(), D})};

  fill(d_in.scale, T(0));
  for (Index g = (pieces.count() + group - 1) / group; g-- > 0;) {
    const Index begin = g * group, end = std::min(begin + group, pieces.count());
    const auto tokens = [&](Index i) { return in.tokens(pieces.start(i), pieces.length(i), pieces.first(i), scale); };
    const auto trace = [&](Index i) { return detail::first_rows<M>(traces[i - begin], pieces.length(i)); };

    detail::copy_weights<M>(saved(g), states[0]);
    if (g == 0) detail::copy_open_rows<M>(saved(g), states[0], open);
    for (Index i = begin; i < end; ++i) {
      const HeadState<M>& state = states[i - begin];
      M::extend(state, head, tokens(i), trace(i), out.rows(0, pieces.length(i)), scratch);
      if (i + 1 == end) break;
      // The next mini-batch starts at this one's weights, stepped by this one's rows.
      HeadState<M> next = states[i + 1 - begin];
      detail::copy_weights<M>(state, next);
      for (std::size_t m = 0; m < M::depth; ++m) {
        next[m].X = state[m].X;
        next[m].G = state[m].G;
      }
      detail::commit_all<M>(next, scale[b - 1], head.bias_step);
    }

    const NormGradientRows<T> sums = d_norm_of(g);
    for (Index i = end; i-- > begin;) {
      const HeadState<M>& state = states[i - begin];
      const Index t = pieces.start(i), n = pieces.length(i);
      if (pieces.full(i)) {
        for (std::size_t m = 0; m < M::depth; ++m) {
          commit_vjp(state[m], scale[b - 1], head.bias_step, d_state[m], d_in.scale.rows(t + n - 1, 1), scratch);
        }
      }
      const NormGradientRows<T> rows{norm_rows.weight.rows(0, n), norm_rows.bias.rows(0, n)};
      M::extend_vjp(state, head, tokens(i), trace(i), d_out.rows(t, n), d_state, d_in.tokens(t, n), rows, scratch);
      ops::add_column_sums(T(1), rows.weight, sums.weight[0]);
      ops::add_column_sums(T(1), rows.bias, sums.bias[0]);
      detail::clear_rows<M>(d_state, pieces.first(i), n);
    }
  }
}

}  // namespace ttt
