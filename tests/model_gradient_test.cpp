// SPDX-License-Identifier: MIT
// The gradients of a whole language model: every parameter and the carried state, against finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "support/derivative.hpp"
#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

class ModelGradient : public testing::TestWithParam<ModelConfig> {
 protected:
  double weighted_sum(const ModelState<double>& state, const ModelState<double>& weights) {
    double sum = 0;
    for (std::size_t i = 0; i < state.streams.size(); ++i) {
      visit_stream(
          [&](const std::string&, const auto& s, const auto& w) {
            for (Index j = 0; j < s.size(); ++j) sum += s.data()[j] * w.data()[j];
          },
          state.streams[i], weights.streams[i]);
    }
    return sum;
  }

  const Threads one{1};  // the problems are small
  Rng rng{12};
  BasicModel<double> model = random_model<double>(GetParam(), rng);
  Tensor<Token, 2> tokens = random_tokens(2, 13, 29, rng), targets = targets_with_gaps();
  ModelState<double> d_final = random_cotangent();

 private:
  Tensor<Token, 2> targets_with_gaps() {
    Tensor<Token, 2> t = random_tokens(2, 13, 29, rng);
    t[0][3] = t[1][12] = ignored;
    return t;
  }
  ModelState<double> random_cotangent() {
    ModelState<double> d = model.zeros(2);
    fill_state(d, 0.1, rng);
    return d;
  }
};

TEST_P(ModelGradient, IsFiniteDifferencesFromTheStart) {
  auto step = training_step<double>(model, tokens, targets, model.start(2), d_final.clone());
  Workspace work;
  model.start_vjp(step.d_state, work, step.gradient);
  const auto value = [&] {
    ModelState<double> state = model.start(2);
    ModelTape<double> tape;
    ModelParams<double> unused = ModelParams<double>::zeros(model.config());
    return model.forward_loss(tokens, targets, state, tape, work, unused) + weighted_sum(state, d_final);
  };
  std::vector<Variable> variables;
  append_variables("", model.params(), step.gradient, variables);
  expect_derivatives(value, variables, rng);
}

TEST_P(ModelGradient, IsFiniteDifferencesInsideAMiniBatch) {
  const double inner_lr = 0.7;
  Workspace work;
  ModelState<double> first = model.start(2);
  Tensor<double, 2> last({2, 29});
  model.forward_last(random_tokens(2, 8, 29, rng), first, work, last);
  auto step = training_step<double>(model, tokens, targets, first.clone(), d_final.clone(), inner_lr);
  const auto value = [&] {
    ModelState<double> state = first.clone();
    Tensor<double, 2> losses(tokens.shape());
    model.token_losses(tokens, targets, state, work, losses, {.inner_lr = inner_lr});
    double sum = 0;
    for (const double loss : losses) sum += loss;
    return sum / 24 + weighted_sum(state, d_final);  // two of 26 targets are ignored
  };
  std::vector<Variable> variables;
  append_variables("", model.params(), step.gradient, variables);
  for (std::size_t i = 0; i < 2; ++i) {
    visit_stream(
        [&](const std::string& name, auto& x, auto& d) {
          if (x.size() > 0) variables.push_back({name, flat(x), flat(d)});
        },
        first.streams[i], step.d_state.streams[i]);
  }
  expect_derivatives(value, variables, rng);
}

// The mean over a text is the mean of its pieces' sums, so weights put pieces together.
TEST_P(ModelGradient, IsTheSameInPieces) {
  auto whole = training_step<double>(model, tokens, targets, model.start(2), d_final.clone());
  Workspace work;
  ModelParams<double> gradient = ModelParams<double>::zeros(model.config());
  ModelState<double> state = model.start(2), d_state = d_final.clone();
  const Cuts cuts{6, 3, 4};
  std::vector<ModelTape<double>> tapes(cuts.size());
  Index t = 0;
  double loss = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const Tensor<Token, 2> piece = copy_of<Token, 2>(targets.view().columns(t, cuts[i]));
    const auto counted = static_cast<double>(piece.size() - std::count(piece.begin(), piece.end(), ignored));
    loss += counted / 24 *
            model.forward_loss(tokens.view().columns(t, cuts[i]), piece, state, tapes[i], work, gradient,
                               {.weight = counted / 24});
    t += cuts[i];
  }
  for (std::size_t i = cuts.size(); i-- > 0;) model.backward(tapes[i], d_state, work, gradient);
  EXPECT_NEAR(loss, whole.loss, 1e-13);
  EXPECT_TRUE(same_state(state, whole.state));
  const auto near = [](const std::string& name, const auto& found, const auto& expected) {
    double size = 1;
    for (const double v : expected) size = std::max(size, std::abs(v));
    for (Index i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(found.data()[i], expected.data()[i], 1e-12 * size) << name;
    }
  };
  ModelParams<double>::visit(near, gradient, whole.gradient);
  for (std::size_t i = 0; i < 2; ++i) visit_stream(near, d_state.streams[i], whole.d_state.streams[i]);
}

INSTANTIATE_TEST_SUITE_P(Small, ModelGradient, testing::ValuesIn(small_models()), model_name);

}  // namespace
}  // namespace ttt::support
