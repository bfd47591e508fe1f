// SPDX-License-Identifier: MIT
// Drawing tokens: what temperature, top-k and top-p let through, and how often.
#include "ttt/generate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ttt {
namespace {

std::vector<double> frequencies(const SamplerConfig& config, const Tensor<float, 1>& logits, int draws) {
  Sampler sampler(config);
  std::vector<double> counts(static_cast<std::size_t>(logits.size()));
  for (int i = 0; i < draws; ++i) counts[static_cast<std::size_t>(sampler(logits.view()))] += 1.0 / draws;
  return counts;
}

Tensor<float, 1> logits_of(const std::vector<double>& probabilities) {
  Tensor<float, 1> logits({static_cast<Index>(probabilities.size())});
  for (Index i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(std::log(probabilities[static_cast<std::size_t>(i)]));
  }
  return logits;
}

TEST(Sampler, DrawsWithTheModelsProbabilities) {
  const std::vector<double> p = {0.5, 0.3, 0.15, 0.05};
  constexpr int draws = 20000;
  const std::vector<double> plain = frequencies({.seed = 1}, logits_of(p), draws);
  // Five standard deviations of a binomial frequency.
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(plain[i], p[i], 5 * std::sqrt(p[i] * (1 - p[i]) / draws));

  const std::vector<double> hot = frequencies({.temperature = 0.5, .seed = 2}, logits_of(p), draws);
  const double total = 0.25 + 0.09 + 0.0225 + 0.0025;  // p^2
  EXPECT_NEAR(hot[0], 0.25 / total, 5 * std::sqrt(0.22 / draws));
}

TEST(Sampler, KeepsToTheLikeliest) {
  const Tensor<float, 1> logits = logits_of({0.3, 0.5, 0.15, 0.05});
  const std::vector<double> top_k = frequencies({.top_k = 2, .seed = 3}, logits, 2000);
  EXPECT_EQ(top_k[2] + top_k[3], 0);
  EXPECT_GT(top_k[0], 0);
  const std::vector<double> top_p = frequencies({.top_p = 0.7, .seed = 3}, logits, 2000);
  EXPECT_EQ(top_p[2] + top_p[3], 0);
  EXPECT_GT(top_p[0], 0);
  EXPECT_NEAR(frequencies({.top_p = 0.4, .seed = 3}, logits, 100)[1], 1.0, 1e-9);
  EXPECT_NEAR(frequencies({.temperature = 0, .seed = 3}, logits, 100)[1], 1.0, 1e-9);
}

TEST(Sampler, RefusesWhatItCannotDraw) {
  EXPECT_THROW(Sampler({.temperature = -1}), ConfigError);
  EXPECT_THROW(Sampler({.temperature = std::numeric_limits<double>::quiet_NaN()}), ConfigError);
  EXPECT_THROW(Sampler({.top_k = -1}), ConfigError);
  EXPECT_THROW(Sampler({.top_p = 0}), ConfigError);
  EXPECT_THROW(Sampler({.top_p = 1.5}), ConfigError);
  Tensor<float, 1> logits({3});
  logits[1] = std::numeric_limits<float>::quiet_NaN();
  Sampler sampler({});
  EXPECT_THROW(sampler(logits.view()), Error);
  fill(logits.view(), -std::numeric_limits<float>::infinity());
  EXPECT_THROW(sampler(logits.view()), Error);
}

TEST(Generator, ReadsInPiecesAndGoesOnAlike) {
  Rng rng(4);
  const Model model({.vocab_size = 30, .hidden_size = 16, .num_layers = 2, .num_heads = 2, .mini_batch_size = 4}, rng);
  const std::vector<Token> prompt = {1, 5, 9, 2, 29, 0, 3};
  Generator once(model, {.seed = 8}), pieces(model, {.seed = 8});
  EXPECT_THROW(once.next(), Error);
  once.read({prompt.data(), {7}});
  pieces.read({prompt.data(), {2}});
  pieces.read({prompt.data() + 2, {5}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(once.next(), pieces.next());
  const std::vector<Token> bad = {30};
  EXPECT_THROW(once.read({bad.data(), {1}}), ShapeError);
}

}  // namespace
}  // namespace ttt
