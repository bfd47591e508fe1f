// SPDX-License-Identifier: MIT
// Memory of one head: taking states and traces of an inner model from a frame, and copying their parts.
#pragma once

#include "ttt/inner/concept.hpp"

namespace ttt::inner {

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
    const auto first = [n](const auto& v) { return v.row_range(0, n); };
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
    copy(from[i].X.row_range(0, n), to[i].X.row_range(0, n));
    copy(from[i].G.row_range(0, n), to[i].G.row_range(0, n));
  }
}

/// Prefetches the open rows, which lie in pieces that the hardware prefetcher does not follow. Always inlined, because
/// GCC drops calls of functions that only prefetch.
template <class M>
[[gnu::always_inline]] inline void prefetch_open_rows(const HeadState<M>& state, Index n) {
  constexpr Index line = 64 / Index{sizeof(typename M::Scalar)};
  for (const auto& map : state) {
    for (const auto& rows : {map.X.row_range(0, n), map.G.row_range(0, n)}) {
      for (Index i = 0; i < rows.size(); i += line) __builtin_prefetch(rows.data() + i);
    }
  }
}

template <class M>
void clear_rows(const HeadState<M>& state, Index first, Index n) {
  using T = typename M::Scalar;
  for (std::size_t i = 0; i < M::depth; ++i) {
    fill(state[i].X.row_range(first, n), T(0));
    fill(state[i].G.row_range(first, n), T(0));
  }
}

}  // namespace ttt::inner
