// SPDX-License-Identifier: MIT
// The adjoint of a TTT layer: gradients of its input, of all its parameters and of the state it started from.
// Spec section 10.
#pragma once

#include "ttt/sequence/ttt/forward.hpp"

namespace ttt::detail {

/// What a backward pass needs of the forward pass. Its memory belongs to the frame it was taken from.
template <InnerModel M>
struct LayerRecord {
  using T = typename M::Scalar;

  LayerActivations<T> a;
  double inner_lr = 1.0;
  Index group = 1;              // mini-batches between two saved states
  View<Index, 1> positions;     // [streams], at the start
  View<HeadState<M>, 3> saved;  // [streams, heads, groups]; open rows only in the first of each

  static LayerRecord take(Frame& frame, const LayerConfig& config, Streams<M> streams, View<const T> x,
                          double inner_lr) {
    const Index count = streams.size(), n = x.rows() / count, b = config.mini_batch_size;
    // A stream that starts inside a mini-batch may touch one more. Keeping every sqrt-th balances what is kept for the
    // whole sequence against what is kept while one group is computed again.
    const Index mini_batches = (n + b - 1) / b + 1;
    LayerRecord record;
    while (record.group * record.group < mini_batches) ++record.group;
    const Index groups = (mini_batches + record.group - 1) / record.group;
    record.a = LayerActivations<T>::take(frame, config, count, x);
    record.inner_lr = inner_lr;
    record.positions = frame.take<Index, 1>({count});
    record.saved = frame.take<HeadState<M>, 3>({count, config.num_heads, groups});
    for (Index i = 0; i < count; ++i) {
      record.positions[i] = streams[i]->position;
      for (Index h = 0; h < config.num_heads; ++h) {
        for (Index g = 0; g < groups; ++g) {
          record.saved[i][h][g] = take_state<M>(frame, g == 0 ? b : 0, config.head_dim());
        }
      }
    }
    return record;
  }

  Index inner_weight_bytes() const {
    Index numbers = 0;
    for (Index i = 0; i < saved.extent(0); ++i) {
      for (Index h = 0; h < saved.extent(1); ++h) {
        for (Index g = 0; g < saved.extent(2); ++g) {
          for (const auto& map : saved[i][h][g]) numbers += map.W.size() + map.b.size();
        }
      }
    }
    return numbers * static_cast<Index>(sizeof(T));
  }

  /// For `forward`: keeps the weights before every group-th mini-batch, the first time with the open rows.
  auto saver(Index mini_batch_size) const {
    return [this, mini_batch_size](Index i, Index h, Index mini_batch, const HeadState<M>& state) {
      if (mini_batch % group != 0) return;
      copy_weights<M>(state, saved[i][h][mini_batch / group]);
      if (mini_batch == 0) copy_open_rows<M>(state, saved[i][h][0], positions[i] % mini_batch_size);
    };
  }
};

/// Adjoint of `post_norm` and the output projection. d_heads is written, dx added to.
template <InnerModel M>
void output_vjp(const LayerRef<M>& layer, const LayerActivations<typename M::Scalar>& a,
                View<const typename M::Scalar> dy, View<typename M::Scalar> d_heads, View<typename M::Scalar> dx,
                LayerParams<M>& d, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const Index rows = dy.rows(), C = dy.cols();
  const NormWeights<T> norm{layer.params.post_norm_weight.data(), layer.params.post_norm_bias.data()};
  const View<T> post = frame.take<T, 2>({rows, C}), d_post = frame.zeros<T, 2>({rows, C});
  post_norm(layer, a, post);
  project_vjp(post, layer.params.o_proj, dy, d_post, d.o_proj);

  const View<T> weight_rows = frame.take<T, 2>({rows, C});
  const View<T> d_norm = layer.config.use_gate ? frame.take<T, 2>({rows, C}) : d_post;
  const View<T> d_gate = layer.config.use_gate ? frame.take<T, 2>({rows, C}) : View<T>();
  for_rows(rows, 32.0 * static_cast<double>(C), [&](Index r, Index m) {
    const auto part = [&](const auto& view) { return view.rows(r, m); };
    if (layer.config.use_gate) {
      // `post` holds LN * gelu(gate); its vjp needs LN again.
      ops::layer_norm(part(a.heads), norm, part(post));
      ops::gelu_gate_vjp(part(post), part(a.gate), part(d_post), part(d_norm), part(d_gate));
    }
    ops::layer_norm_vjp(part(a.heads), norm, part(d_norm), part(d_heads), part(weight_rows));
  });
  add_row_sums(weight_rows, d.post_norm_weight.view());
  add_row_sums(d_norm, d.post_norm_bias.view());
  if (layer.config.use_gate) project_vjp(a.x, layer.params.g_proj, d_gate, dx, d.g_proj);
}

/// Cotangents of what the walk read. [rows, C], [H, rows]
template <class T>
struct WalkGradients {
  View<T> Q, K, target, rate, scale;
};

/// Adjoint of `walk_heads`. d_streams hold cotangents of the final states, then of the initial ones.
template <InnerModel M>
void walk_heads_vjp(const LayerRef<M>& layer, const LayerRecord<M>& record, View<const typename M::Scalar> d_heads,
                    Streams<M> d_streams, const WalkGradients<typename M::Scalar>& d, LayerParams<M>& d_params,
                    Workspace& work) {
  using T = typename M::Scalar;
  const LayerActivations<T>& a = record.a;
  const Index streams = d_streams.size(), H = layer.config.num_heads, D = layer.config.head_dim();
  const Index n = a.x.rows() / streams, b = layer.config.mini_batch_size, groups = record.saved.extent(2);
  Frame frame(work);
  const View<T, 3> norm_weight = frame.zeros<T, 3>({streams * groups, H, D});
  const View<T, 3> norm_bias = frame.zeros<T, 3>({streams * groups, H, D});
  const Index count = workers(streams * H, 3 * operations_of_token<M>(D) * static_cast<double>(n * streams * H));
  std::vector<Workspace>& scratch = frame.workers(count);
  parallel_for(streams * H, count, [&](Index task, Index worker) {
    const Index i = task / H, h = task % H;
    const auto part = [&](const View<T>& v) { return v.rows(i * n, n).columns(h * D, D); };
    const HeadSequenceGradients<T> d_in{part(d.Q), part(d.K), part(d.target), d.rate[h].rows(i * n, n),
                                        d.scale[h].rows(i * n, n)};
    walk_vjp<M>(
        [&](Index g) { return record.saved[i][h][g]; }, record.positions[i] % b, record.group, head_settings(layer, h),
        a.scale, a.sequence(i, n, h, D), d_heads.rows(i * n, n).columns(h * D, D), d_streams[i]->head(h), d_in,
        [&](Index g) {
          return NormGradientRows<T>{norm_weight[i * groups + g].rows(h, 1), norm_bias[i * groups + g].rows(h, 1)};
        },
        scratch[static_cast<std::size_t>(worker)]);
  });
  frame.level_workers();
  if (layer.config.ablation.inner_norm) {
    const auto flat = [](auto&& v, Index rows) { return View<T>(v.data(), {rows, v.size() / rows}); };
    add_row_sums(flat(norm_weight, streams * groups), flat(d_params.ttt_norm_weight, 1)[0]);
    add_row_sums(flat(norm_bias, streams * groups), flat(d_params.ttt_norm_bias, 1)[0]);
  }
}

/// Adjoint of `learning_rates`. dx is added to.
template <InnerModel M>
void learning_rates_vjp(const LayerRef<M>& layer, const LayerRecord<M>& record, View<const typename M::Scalar> d_rate,
                        View<const typename M::Scalar> d_scale, View<typename M::Scalar> dx, LayerParams<M>& d,
                        Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const LayerConfig& config = layer.config;
  const Index H = config.num_heads, C = config.hidden_size, b = config.mini_batch_size;
  const Index rows = d_rate.cols(), streams = record.positions.size(), n = rows / streams;
  if (config.ablation.learned_rate) {
    const T factor = rate_factor<T>(*config.base_lr, record.inner_lr, config.head_dim());
    const View<T> d_logits = frame.take<T, 2>({H, rows}), by_row = frame.take<T, 2>({rows, H});
    ops::sigmoid_vjp(record.a.rate_logits, factor, d_rate, d_logits);
    for (Index r = 0; r < rows; ++r) {
      for (Index h = 0; h < H; ++h) by_row[r][h] = d_logits[h][r];
    }
    const View<const T> theta(layer.params.learnable_ttt_lr_weight.data(), {H, C});
    for_rows(rows, 2.0 * static_cast<double>(theta.size()),
             [&](Index r, Index m) { ops::add_matmul(by_row.rows(r, m), theta, dx.rows(r, m)); });
    ops::add_outer(T(1), by_row, record.a.x, View<T>(d.learnable_ttt_lr_weight.data(), {H, C}));
    add_row_sums(by_row, View<T, 1>(d.learnable_ttt_lr_bias.data(), {H}));
  }
  if (config.ablation.token_scale) {
    // One row for each mini-batch of each stream and head, one column for each position in it.
    const Index pieces = n / b + 2;
    const View<T> by_position = frame.zeros<T, 2>({H * streams * pieces, b});
    for (Index h = 0; h < H; ++h) {
      for (Index i = 0; i < streams; ++i) {
        const Index open = record.positions[i] % b;
        for (Index t = 0; t < n; ++t) {
          by_position[(h * streams + i) * pieces + (open + t) / b][(open + t) % b] = d_scale[h][i * n + t];
        }
      }
    }
    const View<T, 1> sums = frame.zeros<T, 1>({b});
    add_row_sums(by_position, sums);
    token_scale_vjp<T>(layer.params.learnable_token_idx, sums, d.learnable_token_idx);
  }
}

/// Adjoint of `project_inputs`. d.Q, d.K and d.target are used up; dx is added to.
template <InnerModel M>
void project_inputs_vjp(const LayerRef<M>& layer, const LayerRecord<M>& record,
                        const WalkGradients<typename M::Scalar>& d, Streams<M> d_streams, View<typename M::Scalar> dx,
                        LayerParams<M>& d_params, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const LayerActivations<T>& a = record.a;
  const LayerParams<M>& p = layer.params;
  const Index streams = d_streams.size(), rows = a.x.rows(), n = rows / streams, C = dx.cols();
  for (Index i = 0; i < streams; ++i) {
    for_rows(n, 8.0 * static_cast<double>(C), [&](Index t, Index m) {
      const View<T> dQ = d.Q.rows(i * n + t, m), dK = d.K.rows(i * n + t, m);
      if (layer.config.ablation.inner_residual) ops::subtract(dK, d.target.rows(i * n + t, m), dK);
      if (layer.rotary.size() > 0) {
        ops::rotate(layer.rotary, (record.positions[i] + t) % layer.rotary.rows(), true, dQ);
        ops::rotate(layer.rotary, (record.positions[i] + t) % layer.rotary.rows(), true, dK);
      }
    });
  }
  if (layer.config.share_qk) {
    const View<T, 3> du = frame.zeros<T, 3>({a.u.extent(0), a.u.extent(1), a.u.extent(2)});
    convolve_vjp<T>(p.conv_q, a.u, d.Q, du, d_params.conv_q, work);
    convolve_vjp<T>(p.conv_k, a.u, d.K, du, d_params.conv_k, work);
    with_tails_vjp(du, d.Q, [&](Index i) { return d_streams[i]->conv_tail.view(); });
  } else {
    project_vjp(a.x, p.k_proj, d.K, dx, d_params.k_proj);
  }
  project_vjp(a.x, p.q_proj, d.Q, dx, d_params.q_proj);
  project_vjp(a.x, p.v_proj, d.target, dx, d_params.v_proj);
}

/// The whole layer: adds to dx [rows, C] and d_params; d_streams as in walk_heads_vjp.
template <InnerModel M>
void backward(const LayerRef<M>& layer, const LayerRecord<M>& record, View<const typename M::Scalar> dy,
              Streams<M> d_streams, View<typename M::Scalar> dx, LayerParams<M>& d_params, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const Index rows = dy.rows(), C = dy.cols(), H = layer.config.num_heads;
  const View<T> d_heads = frame.take<T, 2>({rows, C});
  const WalkGradients<T> d{frame.take<T, 2>({rows, C}), frame.take<T, 2>({rows, C}), frame.take<T, 2>({rows, C}),
                           frame.take<T, 2>({H, rows}), frame.take<T, 2>({H, rows})};
  output_vjp(layer, record.a, dy, d_heads, dx, d_params, work);
  walk_heads_vjp<M>(layer, record, d_heads, d_streams, d, d_params, work);
  learning_rates_vjp<M>(layer, record, d.rate, d.scale, dx, d_params, work);
  project_inputs_vjp(layer, record, d, d_streams, dx, d_params, work);
}

}  // namespace ttt::detail
