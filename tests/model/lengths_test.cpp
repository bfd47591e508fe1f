// SPDX-License-Identifier: MIT
// Streams of different lengths in one call of a model: every one gives the bits that it gives alone.
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

class ModelLengths : public testing::TestWithParam<ModelConfig> {
 protected:
  static constexpr Index time = 300;  // more than one piece of time, as five streams are read 102 tokens at a time
  const std::vector<Index> lengths{120, 0, time, 1, 102};
  const Index batch = static_cast<Index>(lengths.size()), V = GetParam().vocab_size;
  Rng rng{31};
  BasicModel<float> model = random_model<float>(GetParam(), rng);
  Workspace work;
  /// Beyond a stream's length there are no tokens of the vocabulary.
  Tensor<Token, 2> tokens = padded(random_tokens(batch, time, V, rng));
  Tensor<Token, 2> targets = padded(random_tokens(batch, time, V, rng));

  Tensor<Token, 2> padded(Tensor<Token, 2> all) const {
    for (Index i = 0; i < batch; ++i) {
      const Index length = lengths[static_cast<std::size_t>(i)];
      fill(all[i].row_range(length, time - length), -1);
    }
    return all;
  }

  View<const Token, 2> alone(const Tensor<Token, 2>& all, Index i) const {
    return {all[i].data(), {1, lengths[static_cast<std::size_t>(i)]}};
  }

  template <class T, int Rank>
  static bool same(const View<T, Rank>& a, const View<T, Rank>& b) {
    return a.shape() == b.shape() &&
           std::memcmp(a.data(), b.data(), sizeof(T) * static_cast<std::size_t>(a.size())) == 0;
  }
};

TEST_P(ModelLengths, LogitsLossesAndStatesAreThoseOfEachAlone) {
  ModelState<float> state = model.start(batch), last_state = model.start(batch), loss_state = model.start(batch);
  Tensor<float, 3> logits({batch, time, V});
  Tensor<float, 2> last({batch, V}), losses({batch, time});
  fill(logits.view(), 7.0f);
  fill(last.view(), 7.0f);
  fill(losses.view(), 7.0f);
  model.forward(tokens, state, work, logits, {.lengths = lengths});
  model.forward_last(tokens, last_state, work, last, {.lengths = lengths});
  model.token_losses(tokens, targets, loss_state, work, losses, {.lengths = lengths});
  for (Index i = 0; i < batch; ++i) {
    const Index n = lengths[static_cast<std::size_t>(i)];
    for (Index t = n; t < time; ++t) {
      ASSERT_EQ(logits[i][t][0], 7.0f);
      ASSERT_EQ(losses[i][t], 7.0f);
    }
    ModelState<float> one = model.start(1);
    if (n == 0) {
      EXPECT_EQ(last[i][0], 7.0f);
    } else {
      Tensor<float, 3> expected({1, n, V});
      Tensor<float, 2> expected_losses({1, n});
      ModelState<float> again = model.start(1);
      model.forward(alone(tokens, i), one, work, expected);
      model.token_losses(alone(tokens, i), alone(targets, i), again, work, expected_losses);
      EXPECT_TRUE(same(logits[i].row_range(0, n), expected[0])) << i;
      EXPECT_TRUE(same(last[i], expected[0][n - 1])) << i;
      EXPECT_TRUE(same(losses[i].row_range(0, n), expected_losses[0])) << i;
    }
    for (const ModelState<float>* found : {&state, &last_state, &loss_state}) {
      EXPECT_TRUE(same_bits(found->streams[static_cast<std::size_t>(i)], one.streams[0])) << i;
    }
  }
}

// A mean over all targets of the batch is that of the streams' own means, weighted with their numbers of targets.
TEST_P(ModelLengths, TrainingIsThatOfTheStreamsTogether) {
  const BasicModel<double> exact = random_model<double>(GetParam(), rng);
  double targets_in_all = 0;
  for (const Index n : lengths) targets_in_all += static_cast<double>(n);
  const auto step = [&](View<const Token, 2> in, View<const Token, 2> out, const LossOptions& options,
                        ModelParams<double>& gradient) {
    ModelState<double> state = exact.start(in.rows()), d_state = exact.zeros(in.rows());
    ModelTape<double> tape;
    const double loss = exact.forward_loss(in, out, state, tape, work, gradient, options);
    exact.backward(tape, d_state, work, gradient);
    exact.start_vjp(d_state, work, gradient);
    return loss;
  };
  auto together = ModelParams<double>::zeros(exact.config()), sum = ModelParams<double>::zeros(exact.config());
  const double loss = step(tokens, targets, {.lengths = lengths}, together);
  double expected = 0;
  for (Index i = 0; i < batch; ++i) {
    const double share = static_cast<double>(lengths[static_cast<std::size_t>(i)]) / targets_in_all;
    if (share > 0) expected += share * step(alone(tokens, i), alone(targets, i), {.weight = share}, sum);
  }
  EXPECT_NEAR(loss, expected, 1e-12);
  ModelParams<double>::visit(
      [](const std::string& name, const auto& found, const auto& wanted) {
        const auto f = values(found), w = values(wanted);
        for (Index j = 0; j < w.size(); ++j) ASSERT_NEAR(f[j], w[j], 1e-11 * (1 + std::abs(w[j]))) << name;
      },
      together, sum);
}

TEST_P(ModelLengths, ThatDoNotFitAreRefused) {
  ModelState<float> state = model.start(batch);
  Tensor<float, 2> last({batch, V});
  for (const std::vector<Index>& wrong : {std::vector<Index>{1, 2}, {1, 1, 1, 1, time + 1}, {1, 1, 1, -1, 1}}) {
    EXPECT_THROW(model.forward_last(tokens, state, work, last, {.lengths = wrong}), ShapeError);
  }
  EXPECT_TRUE(same_state(state, model.start(batch)));
}

INSTANTIATE_TEST_SUITE_P(Small, ModelLengths, testing::ValuesIn(small_models()), model_name);

}  // namespace
}  // namespace ttt::support
