// SPDX-License-Identifier: MIT
// Any number of threads use one layer and one model at a time, each with a state and a workspace of its own. The thread
// sanitizer watches this program; by itself it checks that all threads get the bits that one alone gets.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "support/laws.hpp"
#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

constexpr int callers = 8;

/// body(i) on as many threads as there are callers, all at once.
template <class F>
void at_once(const F& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < callers; ++i) threads.emplace_back([&body, i] { body(static_cast<std::size_t>(i)); });
  for (std::thread& thread : threads) thread.join();
}

template <class M>
class LayerThreads : public testing::Test {
 protected:
  Rng rng{21};
};

using Models = testing::Types<inner::Linear<float>, inner::Mlp<float>>;
TYPED_TEST_SUITE(LayerThreads, Models);

TYPED_TEST(LayerThreads, OneLayerServesAll) {
  using Problem = TttProblem<TypeParam>;
  const Problem problem(full_config(), 2, 3, 40, this->rng);
  TttState<TypeParam> state = problem.start();
  const Tensor<float, 3> expected = forward_in_pieces(problem.layer, problem.x, state, {40});
  const auto gradients = problem.gradients();

  std::vector<Tensor<float, 3>> outputs(callers);
  std::vector<typename Problem::Gradients> found(callers);
  at_once([&](std::size_t i) {
    TttState<TypeParam> own = problem.start();
    outputs[i] = forward_in_pieces(problem.layer, problem.x, own, {13, 27});
    found[i] = problem.gradients();
  });
  for (std::size_t i = 0; i < callers; ++i) {
    EXPECT_TRUE(same_bits(outputs[i], expected)) << "caller " << i;
    EXPECT_TRUE(same_bits(found[i].x, gradients.x)) << "caller " << i;
    EXPECT_TRUE(same_bits(found[i].params, gradients.params)) << "caller " << i;
  }
}

TEST(ModelThreads, OneModelServesAll) {
  Rng rng(22);
  const ModelConfig config = small_model(SequenceType::mlp, true);
  const Model model = random_model<float>(config, rng);
  const Tensor<Token, 2> tokens = random_tokens(2, 30, config.vocab_size, rng);
  const Tensor<Token, 2> targets = random_tokens(2, 30, config.vocab_size, rng);
  const Tensor<float, 3> expected = model(tokens);
  const auto step = training_step<float>(model, tokens, targets, model.start(2), model.zeros(2));

  std::vector<Tensor<float, 3>> outputs(callers);
  std::vector<Step<float>> steps(callers);
  at_once([&](std::size_t i) {
    outputs[i] = model(tokens);
    steps[i] = training_step<float>(model, tokens, targets, model.start(2), model.zeros(2));
  });
  for (std::size_t i = 0; i < callers; ++i) {
    EXPECT_TRUE(same_bits(outputs[i], expected)) << "caller " << i;
    EXPECT_EQ(steps[i].loss, step.loss) << "caller " << i;
    EXPECT_TRUE(same_bits(steps[i].gradient, step.gradient)) << "caller " << i;
  }
}

}  // namespace
}  // namespace ttt::support
