// SPDX-License-Identifier: MIT
// Attention against the formula, over several pages: every score, one softmax for each row, in double.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ttt/layer.hpp"
#include "ttt/testing/sequence_layer_laws.hpp"

namespace ttt {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix product(const Matrix& x, const Tensor<double, 2>& W) {
  Matrix y(x.size(), std::vector<double>(static_cast<std::size_t>(W.extent(0))));
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (Index o = 0; o < W.extent(0); ++o) {
      for (Index i = 0; i < W.extent(1); ++i) {
        y[t][static_cast<std::size_t>(o)] += W[o][i] * x[t][static_cast<std::size_t>(i)];
      }
    }
  }
  return y;
}

/// Channels m and m + D/2 of every head, by the angle t theta^(-2m/D).
void rotate(Matrix& x, std::size_t D, double theta) {
  for (std::size_t t = 0; t < x.size(); ++t) {
    for (std::size_t head = 0; head < x[t].size(); head += D) {
      for (std::size_t m = 0; m < D / 2; ++m) {
        const double angle =
            static_cast<double>(t) * std::pow(theta, -2.0 * static_cast<double>(m) / static_cast<double>(D));
        double &a = x[t][head + m], &b = x[t][head + m + D / 2];
        const double turned = a * std::cos(angle) - b * std::sin(angle);
        b = a * std::sin(angle) + b * std::cos(angle);
        a = turned;
      }
    }
  }
}

Matrix attention(const AttentionConfig& config, const AttentionParams<double>& params, const Matrix& x) {
  const auto H = static_cast<std::size_t>(config.num_heads), G = static_cast<std::size_t>(*config.num_key_value_heads);
  const auto D = static_cast<std::size_t>(*config.head_dim);
  Matrix q = product(x, params.q_proj.tensor()), k = product(x, params.k_proj.tensor());
  const Matrix v = product(x, params.v_proj.tensor());
  rotate(q, D, config.rope_theta);
  rotate(k, D, config.rope_theta);
  Matrix heads(x.size(), std::vector<double>(H * D));
  for (std::size_t t = 0; t < x.size(); ++t) {
    const auto window = static_cast<std::size_t>(config.window.value_or(static_cast<Index>(x.size())));
    const std::size_t first = t + 1 > window ? t + 1 - window : 0;
    for (std::size_t h = 0; h < H; ++h) {
      const std::size_t g = h * G / H;
      std::vector<double> weights(t + 1);
      double sum = 0;
      for (std::size_t s = first; s <= t; ++s) {
        double score = 0;
        for (std::size_t d = 0; d < D; ++d) score += q[t][h * D + d] * k[s][g * D + d];
        weights[s] = std::exp(score / std::sqrt(static_cast<double>(D)));
        sum += weights[s];
      }
      for (std::size_t s = first; s <= t; ++s) {
        for (std::size_t d = 0; d < D; ++d) heads[t][h * D + d] += weights[s] / sum * v[s][g * D + d];
      }
    }
  }
  return product(heads, params.o_proj.tensor());
}

TEST(AttentionReference, IsTheFormulaOverSeveralPages) {
  for (const std::optional<Index> window : {std::optional<Index>(), {1}, {5}, {64}, {100}}) {
    Rng rng(9);
    const AttentionConfig config = resolved(AttentionConfig{.hidden_size = 18,
                                                            .num_heads = 6,
                                                            .num_key_value_heads = 2,
                                                            .head_dim = 10,
                                                            .rope_theta = 500.0,
                                                            .window = window});
    const auto layer = laws::random_layer<sequence::Attention<double>>(config, rng);
    const Tensor<double, 3> x = normal<double, 3>({1, 150, 18}, rng);
    Matrix rows;
    for (Index t = 0; t < 150; ++t) rows.emplace_back(x[0][t].begin(), x[0][t].end());
    const Matrix expected = attention(config, layer.params(), rows);
    const Tensor<double, 3> y = layer(x);
    for (Index t = 0; t < 150; ++t) {
      for (Index c = 0; c < 18; ++c) {
        ASSERT_NEAR(y[0][t][c], expected[static_cast<std::size_t>(t)][static_cast<std::size_t>(c)], 1e-12)
            << "token " << t << ", window " << window.value_or(0);
      }
    }
  }
}

// Across the border of pages, with keys that a window has left behind.
TEST(AttentionReference, GradientsReachBackOverPages) {
  for (const std::optional<Index> window : {std::optional<Index>(), {5}, {70}}) {
    Rng rng(10);
    const AttentionConfig config{
        .hidden_size = 8, .num_heads = 2, .num_key_value_heads = 1, .rope_theta = 100.0, .window = window};
    EXPECT_NO_THROW(laws::gradients_are_finite_differences<sequence::Attention<double>>(config, 120, rng));
    EXPECT_NO_THROW(laws::gradients_are_the_same_in_pieces<sequence::Attention<double>>(config, 120, rng));
  }
}

TEST(AttentionEdges, AStateOfAnotherWindowIsRefused) {
  Rng rng(11);
  const Attention<float> narrow({.hidden_size = 8, .num_heads = 2, .window = 64}, rng);
  const Attention<float> wide({.hidden_size = 8, .num_heads = 2}, rng);
  auto state = narrow.start(1);
  laws::forward_in_pieces(narrow, normal<float, 3>({1, 200, 8}, rng), state, {200});
  Tensor<float, 3> x = normal<float, 3>({1, 1, 8}, rng), y({1, 1, 8});
  Workspace work;
  EXPECT_THROW(wide.forward(x, state, work, y), ShapeError);
  EXPECT_NO_THROW(narrow.forward(x, state, work, y));
}

TEST(AttentionEdges, ATapeOfAnotherLayerIsRefused) {
  Rng rng(12);
  const Attention<float> one({.hidden_size = 8, .num_heads = 2}, rng), other({.hidden_size = 8, .num_heads = 4}, rng);
  const Tensor<float, 3> x = normal<float, 3>({1, 3, 8}, rng);
  Tensor<float, 3> y(x.shape());
  auto state = one.start(1), d_state = other.zeros(1);
  LayerTape<sequence::Attention<float>> tape;
  Workspace work;
  one.forward(x, state, tape, work, y);
  auto gradient = AttentionParams<float>::zeros(other.config());
  EXPECT_THROW(other.backward(tape, x, d_state, work, y, gradient), ShapeError);
}

}  // namespace
}  // namespace ttt
