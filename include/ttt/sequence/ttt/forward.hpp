// SPDX-License-Identifier: MIT
// A TTT layer over the rows of a batch: projections, rotary positions, learning rates, the walk in every head,
// post-norm, gate and output projection. Paper section 2, spec sections 2 to 8.
#pragma once

#include "ttt/inner/token_scale.hpp"
#include "ttt/ops/rotary.hpp"
#include "ttt/sequence/ttt/inner_losses.hpp"
#include "ttt/sequence/ttt/state.hpp"

namespace ttt::detail {

/// What the layer functions read: hyperparameters, parameters, and the rotary table made from the former.
template <InnerModel M>
struct LayerRef {
  using T = typename M::Scalar;

  const LayerConfig& config;
  const LayerParams<M>& params;
  View<const T> rotary;  // [mini_batch_size, 2 head_dim]; empty: no rotation
};

/// What one forward pass computes, rows = streams * n, stream after stream.
template <class T>
struct LayerActivations {
  View<const T> x;      // [rows, C]  the layer's input; not a copy
  View<T, 3> u;         // [streams, conv_kernel - 1 + n, C]  inputs of the q/k convolutions; share_qk
  View<T> Q, K;         // [rows, C]  rotated
  View<T> target;       // [rows, C]  V - K
  View<T> rate_logits;  // [H, rows]
  View<T> rate;         // [H, rows]
  View<T, 1> scale;     // [b]
  View<T> heads;        // [rows, C]  outputs of all heads
  View<T> gate;         // [rows, C]  before its GELU; use_gate

  static LayerActivations take(Frame& frame, const LayerConfig& config, Index streams, View<const T> x) {
    const Index rows = x.rows(), C = config.hidden_size, H = config.num_heads;
    LayerActivations a;
    a.x = x;
    if (config.share_qk) a.u = frame.take<T, 3>({streams, config.conv_kernel - 1 + rows / streams, C});
    for (View<T>* view : {&a.Q, &a.K, &a.target, &a.heads}) *view = frame.take<T, 2>({rows, C});
    for (View<T>* view : {&a.rate_logits, &a.rate}) *view = frame.take<T, 2>({H, rows});
    a.scale = frame.take<T, 1>({config.mini_batch_size});
    if (config.use_gate) a.gate = frame.take<T, 2>({rows, C});
    return a;
  }

  /// Rows of stream i as head h sees them.
  HeadSequence<T> sequence(Index i, Index n, Index h, Index D) const {
    const auto part = [&](const View<T>& v) { return v.rows(i * n, n).columns(h * D, D); };
    return {part(Q), part(K), part(target), rate[h].rows(i * n, n)};
  }
};

template <InnerModel M>
HeadSettings<typename M::Scalar> head_settings(const LayerRef<M>& layer, Index h) {
  using T = typename M::Scalar;
  const Ablation& on = layer.config.ablation;
  NormWeights<T> norm{nullptr, nullptr};
  if (on.inner_norm) norm = {layer.params.ttt_norm_weight[h].data(), layer.params.ttt_norm_bias[h].data()};
  return {norm, on.inner_residual, on.inner_bias ? T(1) : T(0)};
}

/// Queries, keys and targets of all rows; `streams` give positions, and their convolution tails move on.
template <InnerModel M>
void project_inputs(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a, Streams<M> streams,
                    Workspace& work) {
  using T = typename M::Scalar;
  const LayerParams<M>& p = layer.params;
  const Index n = a.x.rows() / streams.size();
  if (layer.config.share_qk) {
    project<T>(a.x, {{p.q_proj, a.Q}, {p.v_proj, a.target}});
    with_tails(a.Q, a.u, [&](Index i) { return streams[i]->conv_tail.view(); });
    convolve<T>(p.conv_q, a.u, a.Q, work);
    convolve<T>(p.conv_k, a.u, a.K, work);
  } else {
    project<T>(a.x, {{p.q_proj, a.Q}, {p.k_proj, a.K}, {p.v_proj, a.target}});
  }
  for (Index i = 0; i < streams.size(); ++i) {
    const Index begin = i * n, position = streams[i]->position;
    for_rows(n, 8.0 * static_cast<double>(a.Q.cols()), [&](Index t, Index m) {
      const View<T> Q = a.Q.rows(begin + t, m), K = a.K.rows(begin + t, m), target = a.target.rows(begin + t, m);
      if (layer.rotary.size() > 0) {
        ops::rotate(layer.rotary, (position + t) % layer.rotary.rows(), false, Q);
        ops::rotate(layer.rotary, (position + t) % layer.rotary.rows(), false, K);
      }
      if (layer.config.ablation.inner_residual) ops::subtract(target, K, target);
    });
  }
}

/// The inner learning rates: the gate of every token and head, and the factor of every position.
template <InnerModel M>
void learning_rates(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a, double inner_lr) {
  using T = typename M::Scalar;
  const LayerConfig& config = layer.config;
  const T factor = rate_factor<T>(*config.base_lr, inner_lr, config.head_dim());
  if (config.ablation.learned_rate) {
    const View<const T> theta(layer.params.learnable_ttt_lr_weight.data(), {config.num_heads, config.hidden_size});
    for (Index h = 0; h < config.num_heads; ++h) fill(a.rate_logits[h], layer.params.learnable_ttt_lr_bias[h][0]);
    for_rows(a.x.rows(), 2.0 * static_cast<double>(theta.size()), [&](Index r, Index m) {
      ops::add_matmul_transposed(theta, a.x.rows(r, m), a.rate_logits.columns(r, m));
      ops::sigmoid(a.rate_logits.columns(r, m), factor, a.rate.columns(r, m));
    });
  } else {
    fill(a.rate, factor);
  }
  if (config.ablation.token_scale) {
    token_scale<T>(layer.params.learnable_token_idx, a.scale);
  } else {
    fill(a.scale, T(1));
  }
}

/// Roughly, of one head's walk forward.
template <InnerModel M>
double operations_of_token(Index head_dim) {
  double operations = 0;
  for (const AffineShape& shape : M::shapes(head_dim)) operations += 8.0 * static_cast<double>(shape.in * shape.out);
  return operations;
}

/// The walk of every head of every stream. `before_mini_batch(stream, head, i, state)` as in `walk`.
template <InnerModel M, class F>
void walk_heads(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a, Streams<M> streams,
                InnerLosses<typename M::Scalar>* losses, Index time, Workspace& work, const F& before_mini_batch) {
  using T = typename M::Scalar;
  const Index H = layer.config.num_heads, D = layer.config.head_dim(), b = layer.config.mini_batch_size;
  const Index tasks = streams.size() * H, n = a.x.rows() / streams.size();
  const Index count = workers(tasks, operations_of_token<M>(D) * static_cast<double>(n * tasks));

  Frame frame(work);
  std::vector<Workspace>& scratch = frame.workers(count);
  parallel_for(tasks, count, [&](Index task, Index worker) {
    Workspace& mine = scratch[static_cast<std::size_t>(worker)];
    const Index i = task / H, h = task % H;
    StreamState<M>& stream = *streams[i];
    const HeadState<M> state = stream.head(h);
    const HeadSettings<T> head = head_settings(layer, h);
    const HeadSequence<T> in = a.sequence(i, n, h, D);
    const View<T> out = a.heads.rows(i * n, n).columns(h * D, D);
    if (losses == nullptr) {
      walk<M>(state, stream.position % b, head, a.scale, in, out, mine,
              [&](Index mini_batch, const Tokens<T>&) { before_mini_batch(i, h, mini_batch, state); });
      return;
    }
    Frame probe_frame(mine);
    const HeadState<M> initial = take_state<M>(probe_frame, b, D);
    for (std::size_t m = 0; m < M::depth; ++m) {
      if (layer.config.ablation.learned_w0) {
        copy<T, 2>(layer.params.w0.maps[m].W[h], initial[m].W);
        copy<T, 2>(layer.params.w0.maps[m].b[h], initial[m].b);
      } else {
        fill(initial[m].W, T(0));
        fill(initial[m].b, T(0));
      }
    }
    const auto loss = [&](Tensor<T, 3>& all) { return all[i][h].rows(time, n); };
    LossProbe<M> probe(initial, head, b, D, {loss(losses->initial), loss(losses->before), loss(losses->after)}, mine);
    Index t = 0;
    walk<M>(state, stream.position % b, head, a.scale, in, out, mine, [&](Index mini_batch, const Tokens<T>& tokens) {
      before_mini_batch(i, h, mini_batch, state);
      probe.measure(state, tokens, t);
      t += tokens.size();
    });
  });
  frame.level_workers();
}

/// Post-norm and gate: from the heads' outputs to the input of the output projection, [rows, C].
template <InnerModel M>
void post_norm(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a, View<typename M::Scalar> post) {
  for_rows(post.rows(), 16.0 * static_cast<double>(post.cols()), [&](Index r, Index m) {
    ops::layer_norm(a.heads.rows(r, m), {layer.params.post_norm_weight.data(), layer.params.post_norm_bias.data()},
                    post.rows(r, m));
    if (layer.config.use_gate) ops::gelu_gate(post.rows(r, m), a.gate.rows(r, m), post.rows(r, m));
  });
}

/// The whole layer; `a` is filled, y [rows, C] is written. With options.losses, this call's tokens begin at `time`
/// there.
template <InnerModel M, class F>
void forward(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a, Streams<M> streams,
             const ForwardOptions<typename M::Scalar>& options, Index time, View<typename M::Scalar> y, Workspace& work,
             const F& before_mini_batch) {
  using T = typename M::Scalar;
  Frame frame(work);
  project_inputs(layer, a, streams, work);
  learning_rates(layer, a, options.inner_lr);
  walk_heads(layer, a, streams, options.losses, time, work, before_mini_batch);
  for (Index i = 0; i < streams.size(); ++i) streams[i]->position += a.x.rows() / streams.size();
  const View<T> post = frame.take<T, 2>({y.rows(), y.cols()});
  if (layer.config.use_gate) project(a.x, layer.params.g_proj, a.gate);
  post_norm(layer, a, post);
  project(post, layer.params.o_proj, y);
}

}  // namespace ttt::detail
