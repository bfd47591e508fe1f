// SPDX-License-Identifier: MIT
// The gradients of a whole language model: every parameter and the carried state, against finite differences.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <vector>

#include "support/laws.hpp"
#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

/// A model, and the text that its gradients are taken at.
struct Case {
  ModelConfig config;
  Index batch = 2, prefix = 8, time = 13;  // prefix: tokens read before
};

/// What tests that fail print.
void PrintTo(const Case& s, std::ostream* out) {
  const ModelConfig& c = s.config;
  *out << name(c.sequence_type) << ", vocab_size " << c.vocab_size << ", hidden_size " << c.hidden_size
       << ", num_layers " << c.num_layers << ", num_heads " << c.num_heads << ", intermediate_size "
       << *c.intermediate_size << ", mini_batch_size " << c.mini_batch_size << ", base_lr " << *c.base_lr
       << ", conv_kernel " << c.conv_kernel << ", share_qk " << c.share_qk << ", use_gate " << c.use_gate
       << ", pre_conv " << c.pre_conv << ", tie_word_embeddings " << c.tie_word_embeddings << ", batch " << s.batch
       << ", prefix " << s.prefix << ", time " << s.time;
}

/// The small models, and random ones of both inner models.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const ModelConfig& config : small_models()) all.push_back({resolved(config)});
  Rng rng(13);
  const auto between = [&](Index low, Index high) {
    return low + static_cast<Index>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  const auto coin = [&] { return between(0, 1) == 1; };
  for (int i = 0; i < 8; ++i) {
    Case s;
    s.config.sequence_type = i % 2 == 0 ? SequenceType::linear : SequenceType::mlp;
    s.config.vocab_size = between(3, 40);
    s.config.num_layers = between(1, 3);
    s.config.num_heads = between(1, 3);
    s.config.hidden_size = s.config.num_heads * 2 * between(2, 4);
    s.config.intermediate_size = between(1, 20);
    s.config.mini_batch_size = between(1, 9);
    s.config.base_lr = 0.1 * static_cast<double>(between(1, 10));
    s.config.rope_theta = 100.0;
    s.config.conv_kernel = between(1, 5);
    s.config.share_qk = coin();
    s.config.use_gate = coin();
    s.config.pre_conv = coin();
    s.config.tie_word_embeddings = coin();
    s.batch = between(1, 3);
    s.prefix = between(1, 12);
    s.time = between(3, 25);
    s.config = resolved(s.config);
    all.push_back(s);
  }
  return all;
}

class ModelGradient : public testing::TestWithParam<Case> {
 protected:
  double weighted_sum(const ModelState<double>& state, const ModelState<double>& weights) {
    double sum = 0;
    for (std::size_t i = 0; i < state.streams.size(); ++i) {
      ModelStream<double>::visit(detail::tensors_only([&](const std::string&, const auto& s, const auto& w) {
                                   for (Index j = 0; j < s.size(); ++j) sum += s.data()[j] * w.data()[j];
                                 }),
                                 state.streams[i], weights.streams[i]);
    }
    return sum;
  }

  const ModelConfig& config = GetParam().config;
  const Index batch = GetParam().batch, time = GetParam().time;
  const Threads one{1};  // the problems are small
  Rng rng{12};
  BasicModel<double> model = random_model<double>(config, rng);
  Tensor<Token, 2> tokens = random_tokens(batch, time, config.vocab_size, rng), targets = targets_with_gaps();
  const double counted =
      static_cast<double>(targets.size() - std::count(targets.begin(), targets.end(), ignored_target));

 private:
  Tensor<Token, 2> targets_with_gaps() {
    Tensor<Token, 2> t = random_tokens(batch, time, config.vocab_size, rng);
    t[0][time / 3] = t[batch - 1][time - 1] = ignored_target;
    return t;
  }
};

TEST_P(ModelGradient, IsFiniteDifferencesFromTheStart) {
  const ModelState<double> d_final = random_cotangent(model, tokens, model.start(batch), 0.1, rng);
  auto step = training_step<double>(model, tokens, targets, model.start(batch), d_final.clone());
  Workspace work;
  model.start_vjp(step.d_state, work, step.gradient);
  const auto value = [&] {
    ModelState<double> state = model.start(batch);
    ModelTape<double> tape;
    ModelParams<double> unused = ModelParams<double>::zeros(model.config());
    return model.forward_loss(tokens, targets, state, tape, work, unused) + weighted_sum(state, d_final);
  };
  std::vector<Variable> variables;
  append_variables("", model.params(), step.gradient, variables);
  EXPECT_NO_THROW(check_derivatives(value, variables, rng));
}

TEST_P(ModelGradient, IsFiniteDifferencesInsideAMiniBatch) {
  const double inner_lr = 0.7;
  Workspace work;
  ModelState<double> first = model.start(batch);
  Tensor<double, 2> last({batch, config.vocab_size});
  model.forward_last(random_tokens(batch, GetParam().prefix, config.vocab_size, rng), first, work, last);
  const ModelState<double> d_final = random_cotangent(model, tokens, first.clone(), 0.1, rng);
  auto step = training_step<double>(model, tokens, targets, first.clone(), d_final.clone(), inner_lr);
  const auto value = [&] {
    ModelState<double> state = first.clone();
    Tensor<double, 2> losses(tokens.shape());
    model.token_losses(tokens, targets, state, work, losses, {.inner_lr = inner_lr});
    double sum = 0;
    for (const double loss : losses) sum += loss;
    return sum / counted + weighted_sum(state, d_final);
  };
  std::vector<Variable> variables;
  append_variables("", model.params(), step.gradient, variables);
  for (std::size_t i = 0; i < first.streams.size(); ++i) {
    ModelStream<double>::visit(detail::tensors_only([&](const std::string& name, auto& x, auto& d) {
                                 if (x.size() > 0) variables.push_back({name, values(x), values(d)});
                               }),
                               first.streams[i], step.d_state.streams[i]);
  }
  EXPECT_NO_THROW(check_derivatives(value, variables, rng));
}

// The mean over a text is the mean of its pieces' sums, so weights put pieces together.
TEST_P(ModelGradient, IsTheSameInPieces) {
  const ModelState<double> d_final = random_cotangent(model, tokens, model.start(batch), 0.1, rng);
  auto whole = training_step<double>(model, tokens, targets, model.start(batch), d_final.clone());
  Workspace work;
  ModelParams<double> gradient = ModelParams<double>::zeros(model.config());
  ModelState<double> state = model.start(batch), d_state = d_final.clone();
  const Cuts cuts = random_cuts(time, 6, rng);
  std::vector<ModelTape<double>> tapes(cuts.size());
  Index t = 0;
  double loss = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const Tensor<Token, 2> piece = copy_of<Token, 2>(targets.view().columns(t, cuts[i]));
    const double part =
        static_cast<double>(piece.size() - std::count(piece.begin(), piece.end(), ignored_target)) / counted;
    loss += part * model.forward_loss(tokens.view().columns(t, cuts[i]), piece, state, tapes[i], work, gradient,
                                      {.weight = part});
    t += cuts[i];
  }
  for (std::size_t i = cuts.size(); i-- > 0;) model.backward(tapes[i], d_state, work, gradient);
  EXPECT_NEAR(loss, whole.loss, 1e-13);
  EXPECT_TRUE(same_state(state, whole.state));
  const auto near = [](const std::string& name, const auto& in_pieces, const auto& at_once) {
    const auto found = values(in_pieces), expected = values(at_once);
    double size = 1;
    for (const double v : expected) size = std::max(size, std::abs(v));
    for (Index i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], 1e-12 * size) << name;
    }
  };
  ModelParams<double>::visit(near, gradient, whole.gradient);
  for (std::size_t i = 0; i < d_state.streams.size(); ++i) {
    ModelStream<double>::visit(detail::tensors_only(near), d_state.streams[i], whole.d_state.streams[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Small, ModelGradient, testing::ValuesIn(cases()));

}  // namespace
}  // namespace ttt::support
