// SPDX-License-Identifier: MIT
// Training runs: schedules, accumulation, resuming with the same bits, and what a bad loss leaves behind.
#include "ttt/train.hpp"

#include <cmath>
#include <numeric>

#include "support/files.hpp"
#include "support/same_bits.hpp"
#include "support/training.hpp"
#include "ttt/checkpoint.hpp"

namespace ttt {
namespace {

using support::fresh_model;
using support::same_bits;
using support::sentence;
using support::short_run;
using support::TemporaryDirectory;

TEST(Schedule, WarmsUpAndDecays) {
  const WarmupCosine rate{.init_lr = 0.1, .peak_lr = 1.0, .end_lr = 0.2, .warmup_steps = 10, .decay_steps = 30};
  EXPECT_DOUBLE_EQ(rate(0), 0.1);
  EXPECT_DOUBLE_EQ(rate(5), 0.55);
  EXPECT_DOUBLE_EQ(rate(10), 1.0);
  EXPECT_NEAR(rate(20), 0.6, 1e-15);  // half way down
  EXPECT_DOUBLE_EQ(rate(30), 0.2);
  EXPECT_DOUBLE_EQ(rate(1000), 0.2);
  const InnerWarmup inner{.start = 0.1, .steps = 9};
  EXPECT_DOUBLE_EQ(inner(0), 0.1);
  EXPECT_DOUBLE_EQ(inner(5), 0.6);
  EXPECT_DOUBLE_EQ(inner(9), 1.0);
  EXPECT_DOUBLE_EQ(InnerWarmup{}(0), 1.0);
}

template <class T>
class Training : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Training, Scalars);

TYPED_TEST(Training, ResumedRunEqualsTheUninterruptedOne) {
  const TemporaryDirectory temporary;
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    const TrainerConfig config = short_run(type);
    const TextWindows windows(sentence(40), 24, 9);  // few windows: the run crosses epochs
    Trainer<TypeParam> whole(fresh_model<TypeParam>(type), windows, config);
    Trainer<TypeParam> first(fresh_model<TypeParam>(type), windows, config);
    for (int i = 0; i < 17; ++i) first.step();
    first.save(temporary.path() / "run");
    auto second = Trainer<TypeParam>::resume(temporary.path() / "run", windows, config);
    for (int i = 0; i < 17; ++i) whole.step();
    for (int i = 17; i < 20; ++i) EXPECT_EQ(whole.step().loss, second.step().loss);
    EXPECT_TRUE(same_bits(whole.model().params(), second.model().params()));
    EXPECT_EQ(second.steps(), 20);
  }
}

TYPED_TEST(Training, OfAHybridResumesToo) {
  const TemporaryDirectory temporary;
  const TrainerConfig config = short_run(SequenceType::linear);
  const TextWindows windows(sentence(40), 24, 9);
  Trainer<TypeParam> whole(fresh_model<TypeParam>(SequenceType::linear, {SequenceType::mlp, SequenceType::attention}),
                           windows, config);
  const double before = whole.step().loss;
  for (int i = 1; i < 15; ++i) whole.step();
  whole.save(temporary.path() / "run");
  auto second = Trainer<TypeParam>::resume(temporary.path() / "run", windows, config);
  EXPECT_EQ(second.model().config().block(1).type, SequenceType::attention);
  EXPECT_EQ(whole.step().loss, second.step().loss);
  EXPECT_TRUE(same_bits(whole.model().params(), second.model().params()));
  EXPECT_LT(second.step().loss, 0.8 * before);
}

TYPED_TEST(Training, LowersTheLoss) {
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    Trainer<TypeParam> trainer(fresh_model<TypeParam>(type), TextWindows(sentence(40), 24, 9), short_run(type));
    const double first = trainer.step().loss;
    double last = first;
    for (int i = 1; i < 20; ++i) last = trainer.step().loss;
    EXPECT_NEAR(first, std::log(96.0), 0.2);  // a fresh model knows nothing
    EXPECT_LT(last, first - 1.0);
  }
}

TEST(Training, MicroBatchesAddUpToOneBatch) {
  const auto model = fresh_model<double>(SequenceType::linear);
  TextWindows windows(sentence(40), 24, 9);
  Batch all;
  windows.next(4, all);
  auto together = ModelParams<double>::zeros(model.config()), parts = ModelParams<double>::zeros(model.config());
  const double loss = loss_and_gradient<double>(model, all.tokens, all.targets, together);
  double sum = 0;
  for (Index half : {0, 2}) {
    sum += 0.5 * loss_and_gradient<double>(model, all.tokens.view().row_range(half, 2),
                                           all.targets.view().row_range(half, 2), parts, {.weight = 0.5});
  }
  EXPECT_NEAR(sum, loss, 1e-14);
  ModelParams<double>::visit(
      [](const std::string& name, const auto& whole, const auto& summed) {
        const auto a = values(whole), b = values(summed);
        double scale = 0;
        for (const double x : a) scale = std::max(scale, std::abs(x));
        for (Index i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-12 * scale) << name;
      },
      together, parts);
}

TEST(Training, AnUpdateFromMicroBatchesIsThatOfOneBatch) {
  const TextWindows windows(sentence(40), 24, 9);
  TrainerConfig config = short_run(SequenceType::linear);
  config.batch_size = 4;
  Trainer<double> together(fresh_model<double>(SequenceType::linear), windows, config);
  config.batch_size = 2;
  config.micro_batches = 2;
  Trainer<double> parts(fresh_model<double>(SequenceType::linear), windows, config);
  for (int i = 0; i < 3; ++i) {
    const StepReport expected = together.step(), found = parts.step();
    EXPECT_NEAR(found.loss, expected.loss, 1e-12) << "step " << i;
    EXPECT_NEAR(found.gradient_norm, expected.gradient_norm, 1e-12 * expected.gradient_norm) << "step " << i;
  }
}

TEST(Training, AnInnerRateOfZeroTrainsFrozenInnerModels) {
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    const auto model = fresh_model<double>(type);
    const TextWindows windows(sentence(40), 24, 9);
    TrainerConfig config = short_run(type);
    config.inner_lr = 0;
    Trainer<double> trainer(model.clone(), windows, config);

    const Index size = config.batch_size;
    Batch batch;
    TextWindows(windows).next(size, batch);
    const auto mean_loss = [&](double inner_lr) {
      auto state = model.start(size);
      Workspace work;
      Tensor<double, 2> losses({size, 24});
      model.token_losses(batch.tokens, batch.targets, state, work, losses, {.inner_lr = inner_lr});
      return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
    };
    const double frozen = mean_loss(0);
    EXPECT_NEAR(trainer.step().loss, frozen, 1e-13);
    EXPECT_GT(std::abs(mean_loss(1) - frozen), 1e-9);  // it is the inner rate that decides
  }
}

// The way back needs the inner weights before each of m mini-batches. A tape keeps every sqrt(m)-th, and one group of
// sqrt(m) is computed again at a time.
TEST(Training, HoldsWeightsForTheRootOfTheMiniBatches) {
  constexpr Index D = 64;  // of the only head
  constexpr double weights = sizeof(float) * (D * 4 * D + 4 * D + 4 * D * D + D);
  const auto held = [](Index time, Index mini_batch) {
    Rng rng(6);
    const Model model({.vocab_size = 96,
                       .hidden_size = D,
                       .num_layers = 1,
                       .num_heads = 1,
                       .intermediate_size = 16,
                       .sequence_type = SequenceType::mlp,
                       .mini_batch_size = mini_batch},
                      rng);
    const Tensor<Token, 2> tokens({1, time});
    ModelState<float> state = model.start(1), d_state = model.zeros(1);
    ModelParams<float> gradient = ModelParams<float>::zeros(model.config());
    ModelTape<float> tape;
    Workspace work;
    model.forward_loss(tokens, tokens, state, tape, work, gradient);
    model.backward(tape, d_state, work, gradient);
    return static_cast<double>(tape.bytes() + work.bytes());
  };
  for (const Index time : {100, 400, 1600}) {
    const double activations = held(time, 100);  // and the weights of few mini-batches
    const double root = std::sqrt(static_cast<double>(time));
    // Both roots are rounded up; a workspace holds up to twice what is taken from it.
    EXPECT_LT(held(time, 1), 2 * (activations + 2 * (root + 2) * weights)) << time << " tokens";
  }
}

TEST(Training, ABadLossNamesTheStepAndLeavesTheCheckpoint) {
  const TemporaryDirectory temporary;
  const TextWindows windows(sentence(40), 24, 9);
  TrainerConfig config = short_run(SequenceType::linear);
  Trainer<float> good(fresh_model<float>(SequenceType::linear), windows, config);
  good.step();
  good.save(temporary.path() / "run");

  config.learning_rate = {.init_lr = 1e30, .peak_lr = 1e30, .end_lr = 1e30, .warmup_steps = 0, .decay_steps = 1};
  auto bad = Trainer<float>::resume(temporary.path() / "run", windows, config);
  bad.step();  // this update breaks the parameters
  const std::string message = support::error_of<TrainingError>([&] {
    for (int i = 0; i < 5; ++i) bad.step();
  });
  EXPECT_NE(message.find("step " + std::to_string(bad.steps()) + ": expected a finite loss"), std::string::npos)
      << message;
  const auto resumed = Trainer<float>::resume(temporary.path() / "run", windows, short_run(SequenceType::linear));
  EXPECT_EQ(resumed.steps(), 1);
  EXPECT_TRUE(same_bits(resumed.model().params(), good.model().params()));
}

TEST(Training, GivesUpItsModelWithoutACopy) {
  Trainer<float> trainer(fresh_model<float>(SequenceType::linear), TextWindows(sentence(40), 24, 9),
                         short_run(SequenceType::linear));
  trainer.step();
  const float* weights = trainer.model().params().norm.data();
  const Model model = std::move(trainer).release();
  EXPECT_EQ(model.params().norm.data(), weights);
}

TEST(Training, RefusesToResumeOverAnotherText) {
  const TemporaryDirectory temporary;
  const TrainerConfig config = short_run(SequenceType::linear);
  Trainer<float> trainer(fresh_model<float>(SequenceType::linear), TextWindows(sentence(40), 24, 9), config);
  trainer.save(temporary.path() / "run");
  EXPECT_THROW(Trainer<float>::resume(temporary.path() / "run", TextWindows(sentence(41), 24, 9), config),
               CheckpointError);
  EXPECT_THROW(Trainer<float>::resume(temporary.path() / "run", TextWindows(sentence(40), 23, 9), config),
               CheckpointError);
  TrainerConfig wider = config;
  ++wider.batch_size;
  EXPECT_THROW(Trainer<float>::resume(temporary.path() / "run", TextWindows(sentence(40), 24, 9), wider),
               CheckpointError);
  // A model alone is not a run.
  save(trainer.model(), temporary.path() / "model");
  EXPECT_THROW(Trainer<float>::resume(temporary.path() / "model", TextWindows(sentence(40), 24, 9), config),
               CheckpointError);
}

TEST(Training, IgnoredTargetsCountForNothing) {
  const auto model = fresh_model<double>(SequenceType::linear);
  Batch batch{Tensor<Token, 2>({2, 10}), Tensor<Token, 2>({2, 10})};
  for (Index t = 0; t < 10; ++t) batch.tokens[0][t] = batch.tokens[1][t] = static_cast<Token>(3 * t);
  fill(batch.targets.view(), ignored_target);
  auto gradient = ModelParams<double>::zeros(model.config());
  EXPECT_EQ(loss_and_gradient<double>(model, batch.tokens, batch.targets, gradient), 0.0);
  EXPECT_EQ(global_norm(gradient), 0.0);

  batch.targets[0][4] = 7;
  const double one = loss_and_gradient<double>(model, batch.tokens, batch.targets, gradient);
  batch.targets[1][4] = 7;  // the same token at the same place of the same sequence: the mean stays
  EXPECT_NEAR(loss_and_gradient<double>(model, batch.tokens, batch.targets, gradient), one, 1e-15);
  batch.targets[0][0] = 96;
  EXPECT_THROW(loss_and_gradient<double>(model, batch.tokens, batch.targets, gradient), TokenError);
}

}  // namespace
}  // namespace ttt
