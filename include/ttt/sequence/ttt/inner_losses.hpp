// SPDX-License-Identifier: MIT
// What one may ask of and tell a forward pass besides its output.
#pragma once

#include <array>
#include <limits>

#include "ttt/inner/scan.hpp"

namespace ttt {

/// The inner loss 1/2 |f(k) - v|^2 of every token, in every head, under three sets of weights: the initial ones, those
/// before the token's mini-batch step, and those after the token's own gradient (the figure on inner loss in section 2
/// of the paper). Resized, where the shape is another, by the forward pass that fills it. [batch, heads, time]
template <class T>
struct InnerLosses {
  Tensor<T, 3> initial, before, after;

  void resize(const Shape<3>& shape) {
    for (Tensor<T, 3>* all : {&initial, &before, &after}) {
      if (all->shape() != shape) *all = Tensor<T, 3>(shape);
    }
  }
};

/// Options of one forward pass of a layer.
template <class T>
struct ForwardOptions {
  double inner_lr = 1.0;             // multiplies the inner learning rate; 0 freezes the inner model
  InnerLosses<T>* losses = nullptr;  // filled if given; null costs nothing
};

namespace detail {

inline void check_inner_lr(double inner_lr) {
  require<ConfigError>(inner_lr >= 0 && inner_lr <= std::numeric_limits<double>::max(),
                       "inner_lr: expected a finite number of at least 0, found ", inner_lr);
}

/// Measures the inner losses of one head of one stream, mini-batch by mini-batch, on copies of its state.
template <InnerModel M>
class LossProbe {
 public:
  using T = typename M::Scalar;

  /// loss: initial, before and after, each [time].
  LossProbe(const HeadState<M>& initial, const HeadSettings<T>& head, Index mini_batch_size, Index head_dim,
            const std::array<View<T, 1>, 3>& loss, Workspace& work)
      : frame_(work),
        work_(work),
        initial_(initial),
        copy_(take_state<M>(frame_, mini_batch_size, head_dim)),
        head_(head),
        trace_(take_trace<M>(frame_, mini_batch_size, head_dim)),
        out_(frame_.take<T, 2>({mini_batch_size, head_dim})),
        no_step_(frame_.zeros<T, 1>({mini_batch_size})),
        loss_(loss) {
    head_.residual = false;  // the target V - K is what remains to be reconstructed
  }

  /// `state` as it is before `tokens`, which begin at time t, are read.
  void measure(const HeadState<M>& state, const Tokens<T>& tokens, Index t) {
    Tokens<T> probe = tokens;
    probe.Q = tokens.K;

    copy_weights<M>(state, copy_);
    copy_open_rows<M>(state, copy_, tokens.first);
    extend(probe, loss_[2].rows(t, tokens.size()));

    probe.first = 0;
    probe.scale = no_step_.rows(0, tokens.size());
    extend(probe, loss_[1].rows(t, tokens.size()));
    copy_weights<M>(initial_, copy_);
    extend(probe, loss_[0].rows(t, tokens.size()));
  }

 private:
  void extend(const Tokens<T>& tokens, View<T, 1> loss) {
    const View<T> out = out_.rows(0, tokens.size());
    M::extend(copy_, head_, tokens, first_rows<M>(trace_, tokens.size()), out, work_);
    ops::subtract(out, tokens.target, out);
    ops::dot(out, out, loss);
    ops::scale(T(0.5), View<T>(loss.data(), {1, loss.size()}));
  }

  Frame frame_;
  Workspace& work_;
  HeadState<M> initial_, copy_;
  HeadSettings<T> head_;
  Trace<M> trace_;
  View<T> out_;
  View<T, 1> no_step_;
  std::array<View<T, 1>, 3> loss_;
};

}  // namespace detail

}  // namespace ttt
