// SPDX-License-Identifier: MIT
// Any number of threads gives the same bits, at sizes whose loops are worth several threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/laws.hpp"
#include "support/model_problem.hpp"
#include "ttt/train.hpp"

namespace ttt::support {
namespace {

// 3 divides the sequences and the heads, 2 and 7 do not.
constexpr Index numbers_of_threads[] = {2, 3, 7};
constexpr Index batch = 3;
// So many that loops of 4 operations for each number (norms, convolutions), over rows of 96, use several threads.
constexpr Index time = 240;

template <class T, int Rank>
bool finite(const Tensor<T, Rank>& t) {
  return std::all_of(t.begin(), t.end(), [](T value) { return std::isfinite(value); });
}

TEST(ThreadsLaw, SeveralAreUsed) {
  EXPECT_GT(4.0 * 96 * batch * time, detail::serial_work);
  const Threads with(7);
  EXPECT_EQ(threads(), 7);
  EXPECT_GT(detail::worker_count(8, 2e6), 1);
}

template <class M>
class LayerThreadsLaw : public testing::Test {};

using Models = testing::Types<inner::Linear<float>, inner::Mlp<float>>;
TYPED_TEST_SUITE(LayerThreadsLaw, Models);

TYPED_TEST(LayerThreadsLaw, AnyNumberGivesTheSameBits) {
  TttConfig config = full_config();
  config.hidden_size = 96;
  Rng rng(31);
  const TttProblem<TypeParam> problem(config, batch, 0, time, rng);
  TttState<TypeParam> state = problem.start();
  const Threads one(1);
  const Tensor<float, 3> y = forward_in_pieces(problem.layer, problem.x, state, {time});
  const auto gradients = problem.gradients();
  ASSERT_TRUE(finite(y) && finite(gradients.x));
  for (const Index n : numbers_of_threads) {
    const Threads with(n);
    TttState<TypeParam> own = problem.start();
    EXPECT_TRUE(same_bits(forward_in_pieces(problem.layer, problem.x, own, {time}), y)) << n << " threads";
    EXPECT_TRUE(same_state(own, state)) << n << " threads";
    const auto found = problem.gradients();
    EXPECT_TRUE(same_bits(found.x, gradients.x)) << n << " threads";
    EXPECT_TRUE(same_bits(found.params, gradients.params)) << n << " threads";
    EXPECT_TRUE(same_state(found.state, gradients.state)) << n << " threads";
  }
}

class ModelThreadsLaw : public testing::TestWithParam<SequenceType> {
 protected:
  static ModelConfig config() {
    ModelConfig wide = small_model(GetParam(), true);
    wide.vocab_size = 300;
    wide.hidden_size = 96;
    wide.num_heads = 3;
    return wide;
  }

  Rng rng{32};
};

INSTANTIATE_TEST_SUITE_P(BothLayers, ModelThreadsLaw, testing::Values(SequenceType::linear, SequenceType::mlp),
                         [](const auto& test) { return name(test.param); });

TEST_P(ModelThreadsLaw, AnyNumberGivesTheSameBits) {
  const Model model = random_model<float>(config(), rng);
  const Tensor<Token, 2> tokens = random_tokens(batch, time, 300, rng), targets = random_tokens(batch, time, 300, rng);
  ModelState<float> d_final = model.zeros(batch);
  fill_state(d_final, 1e-3, rng);
  const auto run = [&] {
    Step<float> step = training_step<float>(model, tokens, targets, model.start(batch), d_final.clone());
    Workspace work;
    model.start_vjp(step.d_state, work, step.gradient);
    return step;
  };
  const Threads one(1);
  const Step<float> expected = run();
  ASSERT_TRUE(std::isfinite(expected.loss) && std::isfinite(global_norm(expected.gradient)));
  for (const Index n : numbers_of_threads) {
    const Threads with(n);
    const Step<float> found = run();
    EXPECT_EQ(found.loss, expected.loss) << n << " threads";
    EXPECT_TRUE(same_state(found.state, expected.state)) << n << " threads";
    EXPECT_TRUE(same_state(found.d_state, expected.d_state)) << n << " threads";
    EXPECT_TRUE(same_bits(found.gradient, expected.gradient)) << n << " threads";
  }
}

TEST_P(ModelThreadsLaw, TrainersTakeTheSameStep) {
  const Model model(config(), rng);
  std::vector<Token> text(2000);
  for (Token& token : text) token = static_cast<Token>(rng.below(300));
  const TextWindows windows(text, 128, 1);
  TrainerConfig run = paper_recipe(GetParam(), 10);
  run.batch_size = batch;
  run.learning_rate.init_lr = 1e-3;  // at the first step too

  const Threads one(1);
  Trainer<float> expected(model.clone(), windows, run);
  const StepReport report = expected.step();
  ASSERT_FALSE(same_bits(expected.model().params(), model.params()));
  for (const Index n : numbers_of_threads) {
    const Threads with(n);
    Trainer<float> found(model.clone(), windows, run);
    const StepReport own = found.step();
    EXPECT_EQ(own.loss, report.loss) << n << " threads";
    EXPECT_EQ(own.gradient_norm, report.gradient_norm) << n << " threads";
    EXPECT_TRUE(same_bits(found.model().params(), expected.model().params())) << n << " threads";
  }
}

}  // namespace
}  // namespace ttt::support
