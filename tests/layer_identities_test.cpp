// SPDX-License-Identifier: MIT
// Layers that TTT contains as special cases: linear attention and the delta rule. Paper section 2.6, Theorem 1.
#include <gtest/gtest.h>

#include <cmath>

#include "support/layer_problem.hpp"

namespace ttt::support {
namespace {

/// f(z) = z W with W0 = 0, and steps of size 1 or of the gate: nothing of the layer but projections and the inner loop.
LayerConfig bare_config(Index mini_batch, bool learned_rate) {
  LayerConfig config{.hidden_size = 24, .num_heads = 3, .mini_batch_size = mini_batch};
  config.base_lr = static_cast<double>(config.head_dim());
  config.ablation = {.inner_norm = false,
                     .inner_residual = false,
                     .inner_bias = false,
                     .rotary = false,
                     .learned_rate = learned_rate,
                     .token_scale = false,
                     .learned_w0 = false};
  return config;
}

using Bare = LinearModel<double>;

/// The heads' outputs for one sequence, before the norm that follows them. [time, C]
Tensor<double, 2> heads(const Layer<Bare>& layer, const Tensor<double, 2>& x) {
  Workspace work;
  Frame frame(work);
  LayerState<Bare> state = layer.start(1);
  const auto a = detail::LayerActivations<double>::take(frame, layer.config(), 1, x);
  const Tensor<double, 2> no_rotation;
  const detail::LayerRef<Bare> ref{layer.config(), layer.params(), no_rotation};
  detail::forward<Bare>(ref, a, detail::pointers(frame, state), {}, 0, frame.take<double, 2>(x.shape()), work,
                        [](Index, Index, Index, const HeadState<Bare>&) {});
  return copy_of<double, 2>(a.heads);
}

double projected(const Tensor<double, 2>& x, Index t, const Tensor<double, 2>& W, Index c) {
  double sum = 0;
  for (Index i = 0; i < x.extent(1); ++i) sum += x[t][i] * W[c][i];
  return sum;
}

/// q, k, v of one head, [time, D].
struct Head {
  Tensor<double, 2> q, k, v;
};

Head project_head(const Layer<Bare>& layer, const Tensor<double, 2>& x, Index h) {
  const Index time = x.extent(0), D = layer.config().head_dim();
  Head head{Tensor<double, 2>({time, D}), Tensor<double, 2>({time, D}), Tensor<double, 2>({time, D})};
  for (Index t = 0; t < time; ++t) {
    for (Index d = 0; d < D; ++d) {
      head.q[t][d] = projected(x, t, layer.params().q_proj, h * D + d);
      head.k[t][d] = projected(x, t, layer.params().k_proj, h * D + d);
      head.v[t][d] = projected(x, t, layer.params().v_proj, h * D + d);
    }
  }
  return head;
}

// Outputs are sums of at most 30 x 8 x 24 products of numbers of size 1: rounding is far below this.
constexpr double tolerance = 1e-12;

TEST(LayerIdentities, OneMiniBatchIsLinearAttention) {
  Rng rng(1);
  const Index time = 30;
  const Layer<Bare> layer = random_layer<Bare>(bare_config(time, false), rng);
  const Tensor<double, 2> x = normal<double, 2>({time, 24}, rng);
  const Tensor<double, 2> found = heads(layer, x);
  for (Index h = 0; h < 3; ++h) {
    const Head head = project_head(layer, x, h);
    for (Index t = 0; t < time; ++t) {
      for (Index d = 0; d < 8; ++d) {
        double expected = 0, size = 0;  // sum over s <= t of (q_t . k_s) v_s
        for (Index s = 0; s <= t; ++s) {
          const double weight = dot(head.q[t], head.k[s]);
          expected += weight * head.v[s][d];
          size += std::abs(weight * head.v[s][d]);
        }
        ASSERT_NEAR(found[t][h * 8 + d], expected, tolerance * (1 + size)) << "head " << h << ", token " << t;
      }
    }
  }
}

/// W_t = W_{t-1} - beta_t k_t^T (k_t W_{t-1} - v_t)
void expect_delta_rule(bool learned_rate) {
  Rng rng(2);
  const Index time = 30, D = 8;
  LayerParams<Bare> params = random_params(LayerParams<Bare>::zeros(bare_config(1, learned_rate)), rng);
  // Keys of length below 1, without which the rule with beta = 1 diverges.
  for (double& w : params.k_proj) w *= 0.3;
  const Layer<Bare> layer(bare_config(1, learned_rate), std::move(params));
  const Tensor<double, 2> x = normal<double, 2>({time, 24}, rng);
  const Tensor<double, 2> found = heads(layer, x);
  for (Index h = 0; h < 3; ++h) {
    const Head head = project_head(layer, x, h);
    Tensor<double, 2> W({D, D});
    for (Index t = 0; t < time; ++t) {
      double beta = 1;
      if (learned_rate) {
        const double a =
            layer.params().learnable_ttt_lr_bias[h][0] + dot(x[t], layer.params().learnable_ttt_lr_weight[h][0]);
        beta = 1 / (1 + std::exp(-a));
      }
      for (Index d = 0; d < D; ++d) {
        double error = -head.v[t][d];
        for (Index i = 0; i < D; ++i) error += head.k[t][i] * W[i][d];
        for (Index i = 0; i < D; ++i) W[i][d] -= beta * head.k[t][i] * error;
        double expected = 0, size = 0;
        for (Index i = 0; i < D; ++i) {
          expected += head.q[t][i] * W[i][d];
          size += std::abs(head.q[t][i] * W[i][d]);
        }
        ASSERT_NEAR(found[t][h * D + d], expected, tolerance * (1 + size)) << "head " << h << ", token " << t;
      }
    }
  }
}

TEST(LayerIdentities, MiniBatchesOfOneAreTheDeltaRule) { expect_delta_rule(false); }

TEST(LayerIdentities, AndTheRateGateIsItsBeta) { expect_delta_rule(true); }

}  // namespace
}  // namespace ttt::support
