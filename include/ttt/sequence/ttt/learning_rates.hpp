// SPDX-License-Identifier: MIT
// What decides how far an inner gradient step goes: the gate of every token and head, and the factor of the token's
// position in its mini-batch. Whatever else should decide it belongs here. Paper section 2.7.
#pragma once

#include "ttt/inner/token_scale.hpp"
#include "ttt/ops/ops.hpp"
#include "ttt/ops/rows.hpp"
#include "ttt/sequence/ttt/activations.hpp"

namespace ttt::detail {

/// The inner learning rates: the gate of every token and head, and the factor of every token's position.
template <InnerModel M>
void learning_rates(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a, TttStreams<M> streams,
                    double inner_lr, Workspace& work) {
  using T = typename M::Scalar;
  const TttConfig& config = layer.config;
  const T factor = inner::rate_factor<T>(*config.base_lr, inner_lr, config.head_dim());
  if (config.parts.learned_rate) {
    const View<const T> theta(layer.params.learnable_ttt_lr_weight.data(), {config.num_heads, config.hidden_size});
    for (Index h = 0; h < config.num_heads; ++h) fill(a.rate_logits[h], layer.params.learnable_ttt_lr_bias[h][0]);
    ops::for_rows(a.x.rows(), 2.0 * static_cast<double>(theta.size()), [&](Index r, Index m) {
      ops::add_matmul_transposed(theta, a.x.row_range(r, m), a.rate_logits.columns(r, m));
      ops::sigmoid(a.rate_logits.columns(r, m), factor, a.tokens.rate.columns(r, m));
    });
  } else {
    fill(a.tokens.rate, factor);
  }
  const View<T, 1> scale = a.tokens.scale[0];
  if (!config.parts.token_scale) return fill(scale, T(1));
  Frame frame(work);
  const View<T, 1> of_position = frame.take<T, 1>({config.mini_batch_size});
  inner::token_scale<T>(layer.params.learnable_token_idx, of_position);
  for (Index i = 0; i < streams.size(); ++i) {
    for (Index t = 0; t < a.rows.length(i); ++t) {
      scale[a.rows.begin(i) + t] = of_position[(streams[i]->position + t) % of_position.size()];
    }
  }
}

/// Adjoint of `learning_rates`. `positions` are those of the streams before it; dx is added to.
template <InnerModel M>
void learning_rates_vjp(const TttRef<M>& layer, const TttActivations<typename M::Scalar>& a,
                        View<const Index, 1> positions, double inner_lr, const TttTokens<typename M::Scalar>& d,
                        View<typename M::Scalar> dx, TttParams<M>& d_params, Workspace& work) {
  using T = typename M::Scalar;
  Frame frame(work);
  const TttConfig& config = layer.config;
  const Index H = config.num_heads, C = config.hidden_size, b = config.mini_batch_size, rows = a.rows.rows();
  if (config.parts.learned_rate) {
    const T factor = inner::rate_factor<T>(*config.base_lr, inner_lr, config.head_dim());
    const View<T> d_logits = frame.take<T, 2>({H, rows}), by_row = frame.take<T, 2>({rows, H});
    ops::sigmoid_vjp(a.rate_logits, factor, d.rate, d_logits);
    for (Index r = 0; r < rows; ++r) {
      for (Index h = 0; h < H; ++h) by_row[r][h] = d_logits[h][r];
    }
    const View<const T> theta(layer.params.learnable_ttt_lr_weight.data(), {H, C});
    ops::for_rows(rows, 2.0 * static_cast<double>(theta.size()),
                  [&](Index r, Index m) { ops::add_matmul(by_row.row_range(r, m), theta, dx.row_range(r, m)); });
    ops::add_outer(T(1), by_row, a.x, View<T>(d_params.learnable_ttt_lr_weight.data(), {H, C}));
    ops::add_row_sums(by_row, View<T, 1>(d_params.learnable_ttt_lr_bias.data(), {H}));
  }
  if (config.parts.token_scale) {
    // One row for each mini-batch of each stream and head, one column for each position in it.
    const Index streams = a.rows.count(), cuts = a.rows.longest() / b + 2;
    const View<T> by_position = frame.zeros<T, 2>({H * streams * cuts, b});
    for (Index h = 0; h < H; ++h) {
      for (Index i = 0; i < streams; ++i) {
        const Index open = positions[i] % b;
        for (Index t = 0; t < a.rows.length(i); ++t) {
          by_position[(h * streams + i) * cuts + (open + t) / b][(open + t) % b] = d.scale[h][a.rows.begin(i) + t];
        }
      }
    }
    const View<T, 1> sums = frame.zeros<T, 1>({b});
    ops::add_row_sums(by_position, sums);
    inner::token_scale_vjp<T>(layer.params.learnable_token_idx, sums, d_params.learnable_token_idx);
  }
}

}  // namespace ttt::detail
