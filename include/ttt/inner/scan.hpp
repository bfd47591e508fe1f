// SPDX-License-Identifier: MIT
// The scan over the mini-batches of one head of one stream. Prefill, streaming and training are three ways to call it.
#pragma once

#include "ttt/inner/head_state.hpp"

namespace ttt::inner {

/// The gradient step of every map of a full mini-batch.
template <class M>
void commit_all(const HeadState<M>& state, typename M::Scalar scale, typename M::Scalar bias_step) {
  for (const auto& map : state) commit(map, scale, bias_step);
}

/// Reads a piece of a sequence: `open` rows stand in the open mini-batch already, which holds mini_batch_size.
/// Before mini-batch i is read, observe(i, tokens, state) is called.
template <InnerModel M, class Observer>
void scan(const HeadState<M>& state, Index open, Index mini_batch_size, const HeadSettings<typename M::Scalar>& head,
          const Tokens<const typename M::Scalar>& in, View<typename M::Scalar> out, Workspace& scratch,
          const Observer& observe) {
  using T = typename M::Scalar;
  Frame frame(scratch);
  const MiniBatchCuts cuts{in.size(), open, mini_batch_size};
  const Trace<M> trace = take_trace<M>(frame, std::min(mini_batch_size, in.size()), out.cols());
  prefetch_open_rows<M>(state, open);
  for (Index i = 0; i < cuts.count(); ++i) {
    const MiniBatch<T> tokens = cuts.mini_batch(in, i);
    const Index n = tokens.size();
    observe(i, tokens, state);
    M::extend(state, head, tokens, first_rows<M>(trace, n), out.row_range(cuts.start(i), n), scratch);
    if (cuts.full(i)) commit_all<M>(state, tokens.scale[n - 1], head.bias_step);
  }
}

}  // namespace ttt::inner
