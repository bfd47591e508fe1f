// SPDX-License-Identifier: MIT
// A TTT layer over the rows of a batch: projections, rotary positions, learning rates, the scan in every head,
// post-norm, gate and output projection. Paper section 2; formulas in inner/README.md.
#pragma once

#include "ttt/inner/scan.hpp"
#include "ttt/ops/project.hpp"
#include "ttt/ops/rotary.hpp"
#include "ttt/sequence/ttt/inner_losses.hpp"
#include "ttt/sequence/ttt/learning_rates.hpp"

namespace ttt::detail {

template <InnerModel M>
inner::HeadSettings<typename M::Scalar> head_settings(const TttRef<M>& layer, Index h) {
  using T = typename M::Scalar;
  const Parts& on = layer.config.parts;
  ops::NormWeights<T> norm{nullptr, nullptr};
  if (on.inner_norm) norm = {layer.params.ttt_norm_weight[h].data(), layer.params.ttt_norm_bias[h].data()};
  return {norm, on.inner_residual, on.inner_bias ? T(1) : T(0)};
}

/// Queries, keys and targets of all rows; `streams` give positions, and their convolution tails move on.
template <InnerModel M>
void project_inputs(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, TttStreams<M> streams,
                    Workspace& work) {
  using T = typename M::Scalar;
  const TttParams<M>& p = layer.params;
  const auto& [Q, K, target, rate, scale] = a.tokens;
  if (layer.config.share_qk) {
    ops::project<T>(a.x, {{p.q_proj, Q}, {p.v_proj, target}});
    ops::with_tails(Q, a.rows, a.u, [&](Index i) { return streams[i]->conv_tail.view(); });
    ops::convolve<T>(p.conv_q, a.u, a.rows, Q, work);
    ops::convolve<T>(p.conv_k, a.u, a.rows, K, work);
  } else {
    ops::project<T>(a.x, {{p.q_proj, Q}, {p.k_proj, K}, {p.v_proj, target}});
  }
  for (Index i = 0; i < streams.size(); ++i) {
    const Index position = streams[i]->position;
    const View<T> Q_i = a.rows.of(Q, i), K_i = a.rows.of(K, i), target_i = a.rows.of(target, i);
    ops::for_rows(a.rows.length(i), 8.0 * static_cast<double>(Q.cols()), [&](Index t, Index m) {
      const View<T> Q_m = Q_i.row_range(t, m), K_m = K_i.row_range(t, m), target_m = target_i.row_range(t, m);
      if (layer.rotary.size() > 0) {
        ops::rotate(layer.rotary, (position + t) % layer.rotary.rows(), false, Q_m);
        ops::rotate(layer.rotary, (position + t) % layer.rotary.rows(), false, K_m);
      }
      if (layer.config.parts.inner_residual) ops::subtract(target_m, K_m, target_m);
    });
  }
}

/// Roughly, of one head's scan forward.
template <InnerModel M>
double operations_of_token(Index head_dim) {
  double operations = 0;
  for (const inner::AffineShape& shape : M::shapes(head_dim)) {
    operations += 8.0 * static_cast<double>(shape.in * shape.out);
  }
  return operations;
}

/// The inner weights that a sequence starts with, in head h.
template <InnerModel M>
void copy_initial_weights(const TttRef<M>& layer, Index h, const inner::HeadState<M>& to) {
  using T = typename M::Scalar;
  for (std::size_t m = 0; m < M::depth; ++m) {
    if (layer.config.parts.learned_w0) {
      copy<T, 2>(layer.params.w0.maps[m].W[h], to[m].W);
      copy<T, 2>(layer.params.w0.maps[m].b[h], to[m].b);
    } else {
      fill(to[m].W, T(0));
      fill(to[m].b, T(0));
    }
  }
}

/// The scan of every head of every stream, each with the observer that observer(stream, head) gives. With
/// options.losses, this call's tokens begin at `time` there.
template <InnerModel M, class ObserverOf>
void scan_heads(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, TttStreams<M> streams,
                const ForwardOptions<typename M::Scalar>& options, Index time, Workspace& work,
                const ObserverOf& observer) {
  using T = typename M::Scalar;
  const Index H = layer.config.num_heads, D = layer.config.head_dim(), b = layer.config.mini_batch_size;
  const Index tasks = streams.size() * H;
  const double operations = operations_of_token<M>(D) * static_cast<double>(a.rows.rows() * H);
  const Index count = worker_count(tasks, operations);

  Frame frame(work);
  std::vector<Workspace>& scratch = frame.workers(count);
  parallel_for(tasks, count, [&](Index task, Index worker) {
    Workspace& mine = scratch[static_cast<std::size_t>(worker)];
    const Index i = task / H, h = task % H;
    const auto read = [&](const auto& observe) {
      inner::scan<M>(streams[i]->head(h), streams[i]->position % b, b, head_settings(layer, h), a.head(i, h, D),
                     a.rows.of(a.heads, i).columns(h * D, D), mine, observe);
    };
    if (options.losses == nullptr) return read(observer(i, h));
    const auto loss = [&](Tensor<T, 3>& all) { return all[i][h].row_range(time, a.rows.length(i)); };
    InnerLosses<T>& losses = *options.losses;
    LossProbe<M> probe(head_settings(layer, h), b, D, {loss(losses.initial), loss(losses.before), loss(losses.after)},
                       mine);
    copy_initial_weights(layer, h, probe.initial());
    read([&, observe = observer(i, h)](Index cut, const inner::MiniBatch<T>& tokens, const inner::HeadState<M>& state) {
      observe(cut, tokens, state);
      probe(cut, tokens, state);
    });
  });
  frame.level_workers();
}

/// Post-norm and gate: from the heads' outputs to the input of the output projection, [rows, C].
template <InnerModel M>
void post_norm(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, View<typename M::Scalar> post) {
  const ops::NormWeights<typename M::Scalar> norm{layer.params.post_norm_weight.data(),
                                                  layer.params.post_norm_bias.data()};
  ops::for_rows(post.rows(), 16.0 * static_cast<double>(post.cols()), [&](Index r, Index m) {
    ops::layer_norm(a.heads.row_range(r, m), norm, post.row_range(r, m));
    if (layer.config.use_gate) ops::gelu_gate(post.row_range(r, m), a.gate.row_range(r, m), post.row_range(r, m));
  });
}

/// The whole layer; `a` is filled, y [rows, C] is written.
template <InnerModel M, class ObserverOf>
void forward(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, TttStreams<M> streams,
             const ForwardOptions<typename M::Scalar>& options, Index time, View<typename M::Scalar> y, Workspace& work,
             const ObserverOf& observer) {
  using T = typename M::Scalar;
  Frame frame(work);
  project_inputs(layer, a, streams, work);
  learning_rates(layer, a, streams, options.inner_lr, work);
  scan_heads(layer, a, streams, options, time, work, observer);
  for (Index i = 0; i < streams.size(); ++i) streams[i]->position += a.rows.length(i);
  const View<T> post = frame.take<T, 2>({y.rows(), y.cols()});
  if (layer.config.use_gate) ops::project(a.x, layer.params.g_proj, a.gate);
  post_norm(layer, a, post);
  ops::project(post, layer.params.o_proj, y);
}

}  // namespace ttt::detail
