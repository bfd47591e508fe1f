// SPDX-License-Identifier: MIT
// AdamW refuses gradients of other models, and its corrections have the bits of the plain products.
#include "ttt/train/optimizer.hpp"

#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

ModelConfig with_layers(Index num_layers, SequenceType type) {
  ModelConfig config = small_model(type, true);
  config.num_layers = num_layers;
  return config;
}

TEST(AdamW, RefusesTheGradientOfAnotherModel) {
  const ModelConfig config = with_layers(2, SequenceType::linear);
  Rng rng(3);
  ModelParams<float> params = ModelParams<float>::random(config, rng);
  const ModelParams<float> before = params, gradient = ModelParams<float>::random(config, rng);
  AdamW<ModelParams<float>> optimizer(params);
  optimizer.step(params, gradient, 1e-3);
  EXPECT_FALSE(same_bits(params, before));

  std::vector<ModelConfig> others = {with_layers(3, SequenceType::linear), with_layers(1, SequenceType::linear),
                                     with_layers(2, SequenceType::mlp), with_layers(2, SequenceType::attention),
                                     small_model(SequenceType::linear, false)};
  others.push_back(config);
  others.back().vocab_size += 1;
  others.push_back(config);
  others.back().blocks = {SequenceType::linear, SequenceType::attention};
  const AdamW<ModelParams<float>> optimizer_before = optimizer;
  const ModelParams<float> params_before = params;
  for (const ModelConfig& other : others) {
    const ModelParams<float> wrong = ModelParams<float>::random(other, rng);
    EXPECT_THROW(optimizer.step(params, wrong, 1e-3), ShapeError);
    EXPECT_TRUE(same_bits(params, params_before));
    EXPECT_TRUE(same_bits(optimizer.exp_avg, optimizer_before.exp_avg));
    EXPECT_TRUE(same_bits(optimizer.exp_avg_sq, optimizer_before.exp_avg_sq));
    EXPECT_EQ(optimizer.steps, 1);
  }
}

/// beta^n, as the first versions multiplied it at every step.
double power(double beta, Index n) {
  double power = 1;
  for (Index i = 0; i < n; ++i) power *= beta;
  return power;
}

TEST(AdamW, CorrectsWithTheBitsOfThePlainProducts) {
  for (const AdamWConfig& config :
       {AdamWConfig(), AdamWConfig{.beta1 = 0.5, .beta2 = 0.999}, AdamWConfig{.beta1 = 0, .beta2 = 0.3}}) {
    detail::BetaPowers powers;
    double expected1 = 1, expected2 = 1;
    // To where the powers are the smallest numbers that there are, and beyond.
    for (Index n = 1; n < 20000; ++n) {
      expected1 *= config.beta1;
      expected2 *= config.beta2;
      powers.advance(config, n);
      ASSERT_EQ(powers.power1(), expected1) << n;
      ASSERT_EQ(powers.power2(), expected2) << n;
      const ops::AdamwStep step = detail::adamw_step(config, powers, 1, 1);
      ASSERT_EQ(step.correction1, 1 - expected1);
      ASSERT_EQ(step.correction2, 1 - expected2);
    }
  }
}

TEST(AdamW, FindsThePowersOfAnyStep) {
  const AdamWConfig config, other{.beta1 = 0.8, .beta2 = 0.99};
  detail::BetaPowers powers;
  for (const Index n : {1000, 1001, 5, 5, 0, 20000, 19999}) {  // a run that is resumed, or steps that were set
    powers.advance(config, n);
    EXPECT_EQ(powers.power1(), power(config.beta1, n)) << n;
    EXPECT_EQ(powers.power2(), power(config.beta2, n)) << n;
    powers.advance(other, n);
    EXPECT_EQ(powers.power1(), power(other.beta1, n)) << n;
    EXPECT_EQ(powers.power2(), power(other.beta2, n)) << n;
  }
  powers.advance(config, std::numeric_limits<Index>::max());  // returns
  EXPECT_EQ(powers.power1(), power(config.beta1, 20000));
}

TEST(AdamW, GoesOnWithTheSameBitsFromItsStepsAndMoments) {
  const ModelConfig config = with_layers(1, SequenceType::linear);
  Rng rng(3);
  ModelParams<float> params = ModelParams<float>::random(config, rng);
  const ModelParams<float> gradient = ModelParams<float>::random(config, rng);
  AdamW<ModelParams<float>> whole(params);
  for (int i = 0; i < 5; ++i) whole.step(params, gradient, 1e-3);
  ModelParams<float> again = params;
  AdamW<ModelParams<float>> resumed(again);
  resumed.exp_avg = whole.exp_avg;
  resumed.exp_avg_sq = whole.exp_avg_sq;
  resumed.steps = whole.steps;
  for (int i = 0; i < 5; ++i) {
    whole.step(params, gradient, 1e-3);
    resumed.step(again, gradient, 1e-3);
  }
  EXPECT_TRUE(same_bits(again, params));
}

}  // namespace
}  // namespace ttt::support
