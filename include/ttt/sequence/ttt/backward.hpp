// SPDX-License-Identifier: MIT
// The adjoint of a TTT layer: gradients of its input, of all its parameters and of the state it started from.
#pragma once

#include "ttt/inner/scan_vjp.hpp"
#include "ttt/sequence/ttt/forward.hpp"

namespace ttt::detail {

/// What a backward pass needs of the forward pass. Its memory belongs to the frame it was taken from.
template <InnerModel M>
struct TttRecord {
  using T = typename M::Scalar;

  TttActivations<T> a;
  double inner_lr = 1.0;
  Index group = 1;                     // mini-batches between two saved states
  View<Index, 1> positions;            // [streams], at the start
  View<inner::HeadState<M>, 3> saved;  // [streams, heads, groups]; open rows only in the first of each

  static TttRecord take(Frame& frame, const TttConfig& config, TttStreams<M> streams, const Streams& rows,
                        View<const T> x, double inner_lr) {
    const Index b = config.mini_batch_size;
    // A stream that starts inside a mini-batch may touch one more. Keeping every sqrt-th balances what is kept for the
    // whole sequence against what is kept while one group is computed again.
    const Index mini_batches = (rows.longest() + b - 1) / b + 1;
    TttRecord record;
    while (record.group * record.group < mini_batches) ++record.group;
    const Index groups = (mini_batches + record.group - 1) / record.group;
    record.a = TttActivations<T>::take(frame, config, rows, x);
    record.inner_lr = inner_lr;
    record.positions = frame.take<Index, 1>({rows.count()});
    record.saved = frame.take<inner::HeadState<M>, 3>({rows.count(), config.num_heads, groups});
    for (Index i = 0; i < rows.count(); ++i) {
      record.positions[i] = streams[i]->position;
      for (Index h = 0; h < config.num_heads; ++h) {
        for (Index g = 0; g < groups; ++g) {
          record.saved[i][h][g] = inner::take_state<M>(frame, g == 0 ? b : 0, config.head_dim());
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

  /// The observer of stream i in head h: keeps the weights before every group-th mini-batch, the first time with the
  /// open rows.
  auto saver(Index i, Index h) const {
    return [this, i, h](Index cut, const inner::MiniBatch<T>& tokens, const inner::HeadState<M>& state) {
      if (cut % group != 0) return;
      inner::copy_weights<M>(state, saved[i][h][cut / group]);
      if (cut == 0) inner::copy_open_rows<M>(state, saved[i][h][0], tokens.open);
    };
  }
};

/// Adjoint of `post_norm` and the output projection. d_heads is written, dx added to.
template <InnerModel M>
void output_vjp(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, View<const typename M::Scalar> dy,
                View<typename M::Scalar> d_heads, View<typename M::Scalar> dx, TttParams<M>& d, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const Index rows = dy.rows(), C = dy.cols();
  const ops::NormWeights<T> norm{layer.params.post_norm_weight.data(), layer.params.post_norm_bias.data()};
  const View<T> post = frame.take<T, 2>({rows, C}), d_post = frame.zeros<T, 2>({rows, C});
  post_norm(layer, a, post);
  ops::project_vjp(post, layer.params.o_proj, dy, d_post, d.o_proj);

  const View<T> weight_rows = frame.take<T, 2>({rows, C});
  const View<T> d_norm = layer.config.use_gate ? frame.take<T, 2>({rows, C}) : d_post;
  const View<T> d_gate = layer.config.use_gate ? frame.take<T, 2>({rows, C}) : View<T>();
  ops::for_rows(rows, 32.0 * static_cast<double>(C), [&](Index r, Index m) {
    const auto part = [&](const auto& view) { return view.row_range(r, m); };
    if (layer.config.use_gate) {
      // `post` holds LN * gelu(gate); its vjp needs LN again.
      ops::layer_norm(part(a.heads), norm, part(post));
      ops::gelu_gate_vjp(part(post), part(a.gate), part(d_post), part(d_norm), part(d_gate));
    }
    ops::layer_norm_vjp(part(a.heads), norm, part(d_norm), part(d_heads), part(weight_rows));
  });
  ops::add_row_sums(weight_rows, d.post_norm_weight.view());
  ops::add_row_sums(d_norm, d.post_norm_bias.view());
  if (layer.config.use_gate) ops::project_vjp(a.x, layer.params.g_proj, d_gate, dx, d.g_proj);
}

/// Adjoint of `scan_heads`. d is written; d_streams hold cotangents of the final states, then of the initial ones.
template <InnerModel M>
void scan_heads_vjp(const TttRef<M>& layer, const TttRecord<M>& record, View<const typename M::Scalar> d_heads,
                    TttStreams<M> d_streams, const TttTokens<typename M::Scalar>& d, TttParams<M>& d_params,
                    Workspace& work) {
  using T = typename M::Scalar;
  const TttActivations<T>& a = record.a;
  const Index streams = d_streams.size(), H = layer.config.num_heads, D = layer.config.head_dim();
  const Index b = layer.config.mini_batch_size, groups = record.saved.extent(2);
  Frame frame(work);
  const View<T, 3> norm_weight = frame.zeros<T, 3>({streams * groups, H, D});
  const View<T, 3> norm_bias = frame.zeros<T, 3>({streams * groups, H, D});
  const double operations = 3 * operations_of_token<M>(D) * static_cast<double>(a.rows.rows() * H);
  const Index count = worker_count(streams * H, operations);
  std::vector<Workspace>& scratch = frame.workers(count);
  parallel_for(streams * H, count, [&](Index task, Index worker) {
    const Index i = task / H, h = task % H;
    inner::scan_vjp<M>([&](Index g) { return record.saved[i][h][g]; }, record.positions[i] % b, b, record.group,
                       head_settings(layer, h), a.head(i, h, D), a.rows.of(d_heads, i).columns(h * D, D),
                       d_streams[i]->head(h), d.head(a.rows, i, h, D),
                       [&](Index g) {
                         return inner::NormGradientRows<T>{norm_weight[i * groups + g].row_range(h, 1),
                                                           norm_bias[i * groups + g].row_range(h, 1)};
                       },
                       scratch[static_cast<std::size_t>(worker)]);
  });
  frame.level_workers();
  if (layer.config.parts.inner_norm) {
    const auto flat = [](auto&& v, Index rows) { return View<T>(v.data(), {rows, v.size() / rows}); };
    ops::add_row_sums(flat(norm_weight, streams * groups), flat(d_params.ttt_norm_weight, 1)[0]);
    ops::add_row_sums(flat(norm_bias, streams * groups), flat(d_params.ttt_norm_bias, 1)[0]);
  }
}

/// Adjoint of `project_inputs`. d.Q, d.K and d.target are used up; dx is added to.
template <InnerModel M>
void project_inputs_vjp(const TttRef<M>& layer, const TttRecord<M>& record, const TttTokens<typename M::Scalar>& d,
                        TttStreams<M> d_streams, View<typename M::Scalar> dx, TttParams<M>& d_params, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const TttActivations<T>& a = record.a;
  const TttParams<M>& p = layer.params;
  for (Index i = 0; i < a.rows.count(); ++i) {
    const View<T> dQ = a.rows.of(d.Q, i), dK = a.rows.of(d.K, i), d_target = a.rows.of(d.target, i);
    ops::for_rows(a.rows.length(i), 8.0 * static_cast<double>(dx.cols()), [&](Index t, Index m) {
      const View<T> dQ_m = dQ.row_range(t, m), dK_m = dK.row_range(t, m);
      if (layer.config.parts.inner_residual) ops::subtract(dK_m, d_target.row_range(t, m), dK_m);
      if (layer.rotary.size() > 0) {
        ops::rotate(layer.rotary, (record.positions[i] + t) % layer.rotary.rows(), true, dQ_m);
        ops::rotate(layer.rotary, (record.positions[i] + t) % layer.rotary.rows(), true, dK_m);
      }
    });
  }
  if (layer.config.share_qk) {
    const View<T> du = frame.zeros<T, 2>(a.u.shape());
    ops::convolve_vjp<T>(p.conv_q, a.u, a.rows, d.Q, du, d_params.conv_q, work);
    ops::convolve_vjp<T>(p.conv_k, a.u, a.rows, d.K, du, d_params.conv_k, work);
    ops::with_tails_vjp(du, a.rows, d.Q, [&](Index i) { return d_streams[i]->conv_tail.view(); });
  } else {
    ops::project_vjp(a.x, p.k_proj, d.K, dx, d_params.k_proj);
  }
  ops::project_vjp(a.x, p.q_proj, d.Q, dx, d_params.q_proj);
  ops::project_vjp(a.x, p.v_proj, d.target, dx, d_params.v_proj);
}

/// The whole layer: adds to dx [rows, C] and d_params; d_streams as in scan_heads_vjp.
template <InnerModel M>
void backward(const TttRef<M>& layer, const TttRecord<M>& record, View<const typename M::Scalar> dy,
              TttStreams<M> d_streams, View<typename M::Scalar> dx, TttParams<M>& d_params, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const View<T> d_heads = frame.take<T, 2>(dy.shape());
  const TttTokens<T> d = TttTokens<T>::take(frame, layer.config, dy.rows());
  output_vjp(layer, record.a, dy, d_heads, dx, d_params, work);
  scan_heads_vjp<M>(layer, record, d_heads, d_streams, d, d_params, work);
  learning_rates_vjp<M>(layer, record.a, record.positions, record.inner_lr, d, dx, d_params, work);
  project_inputs_vjp(layer, record, d, d_streams, dx, d_params, work);
}

}  // namespace ttt::detail
