// SPDX-License-Identifier: MIT
// Drawing tokens: what temperature, top-k and top-p let through, and how often.
#include "ttt/generate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

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

Model small_model(std::optional<Token> eos_token_id) {
  Rng rng(4);
  return Model({.vocab_size = 30,
                .hidden_size = 16,
                .num_layers = 2,
                .num_heads = 2,
                .mini_batch_size = 4,
                .eos_token_id = eos_token_id},
               rng);
}

const std::vector<Token> prompt = {1, 5, 9, 2, 29, 0, 3};

std::vector<Token> draw(Generator& generate, int n) {
  std::vector<Token> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(generate.next().value());
  return tokens;
}

TEST(Generator, ReadsInPiecesAndGoesOnAlike) {
  const Model model = small_model({});
  Generator once(model, {.seed = 8}), pieces(model, {.seed = 8});
  EXPECT_THROW(once.next(), Error);
  once.read(prompt);
  pieces.read(std::span(prompt).first(2));
  pieces.read(std::span(prompt).subspan(2));
  EXPECT_EQ(draw(once, 20), draw(pieces, 20));
}

TEST(Generator, RefusesTokensOutsideTheVocabularyAndStaysAsItWas) {
  const Model model = small_model({});
  Generator refused(model, {.seed = 8}), plain(model, {.seed = 8});
  for (Generator* generate : {&refused, &plain}) {
    generate->read(prompt);
    draw(*generate, 3);
  }
  EXPECT_THROW(refused.read(std::vector<Token>{3, 30}), TokenError);
  EXPECT_EQ(draw(refused, 10), draw(plain, 10));
}

TEST(Generator, GoesOnFromASavedState) {
  const Model model = small_model({});
  const SamplerConfig likeliest{.temperature = 0};
  Generator whole(model, likeliest);
  whole.read(prompt);
  const std::vector<Token> first = draw(whole, 6);
  const ModelState<float> saved = whole.state().clone();
  EXPECT_EQ(saved.streams[0].position(), static_cast<Index>(prompt.size()) + 5);  // the sixth is not read yet
  const std::vector<Token> second = draw(whole, 6);

  Generator again(model, saved.clone(), likeliest);
  EXPECT_THROW(again.next(), Error);
  again.read(std::span(first).last(1));
  EXPECT_EQ(draw(again, 6), second);

  // Given away, not copied.
  const ModelState<float> given = std::move(again).state();
  EXPECT_EQ(given.streams[0].position(), saved.streams[0].position() + 6);

  EXPECT_THROW(Generator(model, model.start(2)), ShapeError);
  EXPECT_THROW(Generator(model, model.start(0)), ShapeError);
  Rng rng(1);
  const Model other({.vocab_size = 30, .hidden_size = 16, .num_layers = 1, .num_heads = 2}, rng);
  Generator of_another(model, other.start(1));
  EXPECT_THROW(of_another.read(prompt), ShapeError);
}

TEST(Generator, StopsWhereTheModelEndsItsText) {
  const std::vector<Token> all = [] {
    const Model endless = small_model({});
    Generator generate(endless, {.seed = 8});
    generate.read(prompt);
    return draw(generate, 20);
  }();
  // A token that comes for the first time after some others ends the text.
  const auto is_new = [&](auto at) { return std::find(all.begin(), at, *at) == at; };
  auto end = all.begin() + 3;
  while (!is_new(end)) ++end;
  const Model model = small_model(*end);

  Generator generate(model, {.seed = 8});
  generate.read(prompt);
  std::vector<Token> found;
  while (const auto token = generate.next()) found.push_back(*token);
  EXPECT_EQ(found, std::vector<Token>(all.begin(), end));
  EXPECT_EQ(generate.next(), std::nullopt);
  EXPECT_EQ(generate.next(), std::nullopt);

  // A second question to the same text.
  generate.read(prompt);
  EXPECT_EQ(generate.state().streams[0].position(), static_cast<Index>(2 * prompt.size() + found.size()));
  Generator of_all(model, {.seed = 9}, {.ignore_eos = true});
  of_all.read(prompt);
  of_all.read(found);
  of_all.read(prompt);
  EXPECT_TRUE(std::equal(of_all.logits().begin(), of_all.logits().end(), generate.logits().begin()));

  Generator ignores(model, {.seed = 8}, {.ignore_eos = true});
  ignores.read(prompt);
  EXPECT_EQ(draw(ignores, 20), all);
}

TEST(Generator, FreezesInnerModelsOnRequest) {
  const Model model = small_model({});
  Generator frozen(model, {}, {.inner_lr = 0}), learning(model);
  for (Generator* generate : {&frozen, &learning}) generate->read(prompt);
  EXPECT_FALSE(std::equal(frozen.logits().begin(), frozen.logits().end(), learning.logits().begin()));
  EXPECT_THROW(Generator(model, {}, {.inner_lr = -1}), Error);
}

}  // namespace
}  // namespace ttt
