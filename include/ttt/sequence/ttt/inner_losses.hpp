// SPDX-License-Identifier: MIT
// How well a head's inner model reconstructs its targets: measured beside the scan, on copies of its state.
#pragma once

#include <array>

#include "ttt/inner/head_state.hpp"
#include "ttt/sequence/options.hpp"

namespace ttt::detail {

/// An observer of `scan` that measures the inner losses of one head of one stream.
template <InnerModel M>
class LossProbe {
 public:
  using T = typename M::Scalar;

  /// loss: initial, before and after, each [time].
  LossProbe(const inner::HeadSettings<T>& head, Index mini_batch_size, Index head_dim,
            const std::array<View<T, 1>, 3>& loss, Workspace& work)
      : frame_(work),
        work_(work),
        initial_(inner::take_state<M>(frame_, mini_batch_size, head_dim)),
        copy_(inner::take_state<M>(frame_, mini_batch_size, head_dim)),
        head_(head),
        trace_(inner::take_trace<M>(frame_, mini_batch_size, head_dim)),
        out_(frame_.take<T, 2>({mini_batch_size, head_dim})),
        no_step_(frame_.zeros<T, 1>({mini_batch_size})),
        loss_(loss) {
    head_.residual = false;  // the target V - K is what remains to be reconstructed
  }

  /// The initial weights, to be filled in before anything is measured.
  const inner::HeadState<M>& initial() const { return initial_; }

  void operator()(Index, const inner::MiniBatch<T>& tokens, const inner::HeadState<M>& state) {
    const Index n = tokens.size();
    inner::MiniBatch<T> probe = tokens;
    probe.Q = tokens.K;

    inner::copy_weights<M>(state, copy_);
    inner::copy_open_rows<M>(state, copy_, tokens.open);
    extend(probe, loss_[2].row_range(time_, n));

    probe.open = 0;
    probe.scale = no_step_.row_range(0, n);
    extend(probe, loss_[1].row_range(time_, n));
    inner::copy_weights<M>(initial_, copy_);
    extend(probe, loss_[0].row_range(time_, n));
    time_ += n;
  }

 private:
  void extend(const inner::MiniBatch<T>& tokens, View<T, 1> loss) {
    const View<T> out = out_.row_range(0, tokens.size());
    M::extend(copy_, head_, tokens, inner::first_rows<M>(trace_, tokens.size()), out, work_);
    ops::subtract(out, tokens.target, out);
    ops::dot(out, out, loss);
    ops::scale(T(0.5), View<T>(loss.data(), {1, loss.size()}));
  }

  Frame frame_;
  Workspace& work_;
  inner::HeadState<M> initial_, copy_;
  inner::HeadSettings<T> head_;
  inner::Trace<M> trace_;
  View<T> out_;
  View<T, 1> no_step_;
  std::array<View<T, 1>, 3> loss_;
  Index time_ = 0;  // tokens measured
};

}  // namespace ttt::detail
