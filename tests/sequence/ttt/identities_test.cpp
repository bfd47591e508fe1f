// SPDX-License-Identifier: MIT
// Layers that TTT contains as special cases: linear attention and the delta rule. Paper section 2.6, Theorem 1.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/laws.hpp"

namespace ttt::support {
namespace {

/// f(z) = z W with W0 = 0, and steps of size 1 or of the gate: nothing of the layer but projections and the inner loop.
TttConfig bare_config(Index mini_batch, bool learned_rate) {
  TttConfig config{.hidden_size = 24, .num_heads = 3, .mini_batch_size = mini_batch};
  config.base_lr = static_cast<double>(config.head_dim());
  config.parts = {.inner_norm = false,
                  .inner_residual = false,
                  .inner_bias = false,
                  .rotary = false,
                  .learned_rate = learned_rate,
                  .token_scale = false,
                  .learned_w0 = false};
  return config;
}

template <class T>
using BareLayer = Ttt<inner::Linear<T>>;

/// The heads' outputs for one sequence, before the norm that follows them. [time, C]
template <class T>
Tensor<T, 2> heads(const BareLayer<T>& layer, const Tensor<T, 2>& x) {
  using M = inner::Linear<T>;
  Workspace work;
  Frame frame(work);
  TttState<M> state = layer.start(1);
  const Tensor<T, 2> no_rotation;
  const auto record = sequence::Ttt<M>::forward_recorded(
      {layer.config(), layer.params(), no_rotation}, x, Streams(frame, 1, x.extent(0)),
      detail::stream_pointers(frame, state), {}, frame, frame.take<T, 2>(x.shape()), work);
  return copy_of<T, 2>(record.a.heads);
}

// What is expected is computed in double, whatever the layer's type.
template <class T>
double product(View<const T, 1> a, View<const T, 1> b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

/// q, k, v of one head, [time, D].
struct Head {
  Tensor<double, 2> q, k, v;
};

template <class T>
Head project_head(const BareLayer<T>& layer, const Tensor<T, 2>& x, Index h) {
  const Index time = x.extent(0), D = layer.config().head_dim();
  Head head{Tensor<double, 2>({time, D}), Tensor<double, 2>({time, D}), Tensor<double, 2>({time, D})};
  const Tensor<T, 2> q_proj = layer.params().q_proj.tensor(), k_proj = layer.params().k_proj.tensor();
  const Tensor<T, 2> v_proj = layer.params().v_proj.tensor();
  for (Index t = 0; t < time; ++t) {
    for (Index d = 0; d < D; ++d) {
      head.q[t][d] = product(x[t], q_proj[h * D + d]);
      head.k[t][d] = product(x[t], k_proj[h * D + d]);
      head.v[t][d] = product(x[t], v_proj[h * D + d]);
    }
  }
  return head;
}

// Outputs are sums of at most 30 x 8 x 24 products of numbers of size 1: were each of them off by eps / 2 to the same
// side, the sum would be off by half of this.
template <class T>
constexpr double tolerance = 30 * 8 * 24 * static_cast<double>(std::numeric_limits<T>::epsilon());

template <class T>
class LayerIdentities : public testing::Test {};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(LayerIdentities, Scalars);

TYPED_TEST(LayerIdentities, OneMiniBatchIsLinearAttention) {
  using T = TypeParam;
  Rng rng(1);
  const Index time = 30;
  const BareLayer<T> layer = random_ttt<inner::Linear<T>>(bare_config(time, false), rng);
  const Tensor<T, 2> x = normal<T, 2>({time, 24}, rng);
  const Tensor<T, 2> found = heads<T>(layer, x);
  for (Index h = 0; h < 3; ++h) {
    const Head head = project_head<T>(layer, x, h);
    for (Index t = 0; t < time; ++t) {
      for (Index d = 0; d < 8; ++d) {
        double expected = 0, size = 0;  // sum over s <= t of (q_t . k_s) v_s
        for (Index s = 0; s <= t; ++s) {
          const double weight = product(head.q[t], head.k[s]);
          expected += weight * head.v[s][d];
          size += std::abs(weight * head.v[s][d]);
        }
        ASSERT_NEAR(found[t][h * 8 + d], expected, tolerance<T> * (1 + size)) << "head " << h << ", token " << t;
      }
    }
  }
}

/// W_t = W_{t-1} - beta_t k_t^T (k_t W_{t-1} - v_t)
template <class T>
void expect_delta_rule(bool learned_rate) {
  Rng rng(2);
  const Index time = 30, D = 8;
  auto params = random_params(TttParams<inner::Linear<T>>::zeros(bare_config(1, learned_rate)), rng);
  // Keys of length below 1, without which the rule with beta = 1 diverges.
  for (T& w : values(params.k_proj)) w *= T(0.3);
  const BareLayer<T> layer(bare_config(1, learned_rate), std::move(params));
  const Tensor<T, 2> x = normal<T, 2>({time, 24}, rng);
  const Tensor<T, 2> found = heads<T>(layer, x);
  for (Index h = 0; h < 3; ++h) {
    const Head head = project_head<T>(layer, x, h);
    Tensor<double, 2> W({D, D});
    for (Index t = 0; t < time; ++t) {
      double beta = 1;
      if (learned_rate) {
        const double a =
            layer.params().learnable_ttt_lr_bias[h][0] + product(x[t], layer.params().learnable_ttt_lr_weight[h][0]);
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
        ASSERT_NEAR(found[t][h * D + d], expected, tolerance<T> * (1 + size)) << "head " << h << ", token " << t;
      }
    }
  }
}

TYPED_TEST(LayerIdentities, MiniBatchCutsOfOneAreTheDeltaRule) { expect_delta_rule<TypeParam>(false); }

TYPED_TEST(LayerIdentities, AndTheRateGateIsItsBeta) { expect_delta_rule<TypeParam>(true); }

}  // namespace
}  // namespace ttt::support
