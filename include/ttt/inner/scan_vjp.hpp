// SPDX-License-Identifier: MIT
// The adjoint of the scan: mini-batches from the last to the first, with what was not kept computed again.
#pragma once

#include "ttt/inner/scan.hpp"

namespace ttt::inner {

/// Adjoint of `scan`. Weights are kept only at every `group`-th mini-batch, by `saved(g)`, which gives the state before
/// mini-batch g * group (for g = 0 with its open rows); what lies between is computed again.
/// d_state holds the cotangent of the final state, and at the end that of the initial state. d_in is written; its
/// `scale` holds the cotangents of the position factors of every token.
/// d_norm_of(g) gives the two vectors [head_dim] to which group g's gradients of the inner norm are added.
template <InnerModel M, class Saved, class NormOf>
void scan_vjp(const Saved& saved, Index open, Index mini_batch_size, Index group,
              const HeadSettings<typename M::Scalar>& head, const Tokens<const typename M::Scalar>& in,
              View<const typename M::Scalar> d_out, const HeadState<M>& d_state, const Tokens<typename M::Scalar>& d_in,
              const NormOf& d_norm_of, Workspace& scratch) {
  using T = typename M::Scalar;
  Frame frame(scratch);
  const Index b = mini_batch_size, D = d_out.cols(), most = std::min(b, in.size());
  const MiniBatchCuts cuts{in.size(), open, b};
  const Index in_group = std::min(group, cuts.count());
  const View<HeadState<M>, 1> states = frame.take<HeadState<M>, 1>({in_group});
  const View<Trace<M>, 1> traces = frame.take<Trace<M>, 1>({in_group});
  for (Index j = 0; j < in_group; ++j) {
    states[j] = take_state<M>(frame, b, D);
    traces[j] = take_trace<M>(frame, most, D);
  }
  const View<T> out = frame.take<T, 2>({most, D});
  const NormGradientRows<T> norm_rows{frame.take<T, 2>({most, D}), frame.take<T, 2>({most, D})};

  fill(d_in.scale, T(0));
  for (Index g = (cuts.count() + group - 1) / group; g-- > 0;) {
    const Index begin = g * group, end = std::min(begin + group, cuts.count());
    const auto trace = [&](Index i) { return first_rows<M>(traces[i - begin], cuts.length(i)); };

    copy_weights<M>(saved(g), states[0]);
    if (g == 0) copy_open_rows<M>(saved(g), states[0], open);
    for (Index i = begin; i < end; ++i) {
      const HeadState<M>& state = states[i - begin];
      const MiniBatch<T> tokens = cuts.mini_batch(in, i);
      const Index n = tokens.size();
      M::extend(state, head, tokens, trace(i), out.row_range(0, n), scratch);
      if (i + 1 == end) break;
      // The next mini-batch starts at this one's weights, stepped by this one's rows.
      HeadState<M> next = states[i + 1 - begin];
      copy_weights<M>(state, next);
      for (std::size_t m = 0; m < M::depth; ++m) {
        next[m].X = state[m].X;
        next[m].G = state[m].G;
      }
      commit_all<M>(next, tokens.scale[n - 1], head.bias_step);
    }

    const NormGradientRows<T> sums = d_norm_of(g);
    for (Index i = end; i-- > begin;) {
      const HeadState<M>& state = states[i - begin];
      const MiniBatch<T> tokens = cuts.mini_batch(in, i);
      const Index t = cuts.start(i), n = tokens.size();
      if (cuts.full(i)) {
        for (std::size_t m = 0; m < M::depth; ++m) {
          commit_vjp(state[m], tokens.scale[n - 1], head.bias_step, d_state[m], d_in.scale.row_range(t + n - 1, 1),
                     scratch);
        }
      }
      const NormGradientRows<T> rows{norm_rows.weight.row_range(0, n), norm_rows.bias.row_range(0, n)};
      M::extend_vjp(state, head, tokens, trace(i), d_out.row_range(t, n), d_state, d_in.row_range(t, n), rows, scratch);
      ops::add_column_sums(T(1), rows.weight, sums.weight[0]);
      ops::add_column_sums(T(1), rows.bias, sums.bias[0]);
      clear_rows<M>(d_state, tokens.open, n);
    }
  }
}

}  // namespace ttt::inner
