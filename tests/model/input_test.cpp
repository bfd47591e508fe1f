// SPDX-License-Identifier: MIT
// What a language model refuses, and that refusing changes nothing; and what it does with streams and with nothing.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

class ModelInput : public testing::TestWithParam<ModelConfig> {
 protected:
  ModelInput() {
    Tensor<float, 2> last({2, 29});
    model.forward_last(random_tokens(2, 7, 29, rng), state, work, last);
    before = state.clone();
  }

  /// Each call throws this error with all these words, and the state stays.
  template <class Expected = ShapeError>
  void expect_refused(const std::function<void()>& call, const std::vector<std::string>& words) {
    try {
      call();
      ADD_FAILURE() << "accepted, expected a complaint about " << words.front();
    } catch (const Expected& e) {
      for (const std::string& word : words) EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
    EXPECT_TRUE(same_state(state, before));
  }

  Rng rng{4};
  Model model = random_model<float>(GetParam(), rng);
  ModelState<float> state = model.start(2), before;
  Workspace work;
};

TEST_P(ModelInput, TokensOutsideTheVocabularyAreRefused) {
  for (const Token wrong : {-1, 29, ignored_target}) {
    Tensor<Token, 2> tokens = random_tokens(2, 6, 29, rng);
    const Tensor<Token, 2> targets = random_tokens(2, 6, 29, rng);
    tokens[1][5] = wrong;
    Tensor<float, 3> logits({2, 6, 29});
    Tensor<float, 2> last({2, 29}), losses({2, 6});
    ModelTape<float> tape;
    ModelParams<float> gradient = ModelParams<float>::zeros(model.config());
    const std::vector<std::string> words{"28", std::to_string(wrong)};
    expect_refused<TokenError>([&] { model.forward(tokens, state, work, logits); }, words);
    expect_refused<TokenError>([&] { model.forward_last(tokens, state, work, last); }, words);
    expect_refused<TokenError>([&] { model.token_losses(tokens, targets, state, work, losses); }, words);
    expect_refused<TokenError>([&] { model.forward_loss(tokens, targets, state, tape, work, gradient); }, words);
    EXPECT_TRUE(same_bits(gradient, ModelParams<float>::zeros(model.config())));
    if (wrong == ignored_target) continue;
    expect_refused<TokenError>([&] { model.token_losses(targets, tokens, state, work, losses); }, words);
    expect_refused<TokenError>([&] { model.forward_loss(targets, tokens, state, tape, work, gradient); }, words);
  }
}

TEST_P(ModelInput, WrongShapesAreRefused) {
  const Tensor<Token, 2> tokens = random_tokens(2, 6, 29, rng), three = random_tokens(3, 6, 29, rng);
  Tensor<float, 3> logits({2, 5, 29});
  Tensor<float, 2> last({2, 28}), losses({2, 7});
  const Tensor<Token, 2> none({2, 0}), longer = random_tokens(2, 7, 29, rng);
  expect_refused([&] { model.forward(tokens, state, work, logits); }, {"[2, 6, 29]", "[2, 5, 29]"});
  expect_refused([&] { model.forward(three, state, work, logits); }, {"2", "[3, 6]"});
  expect_refused([&] { model.forward_last(tokens, state, work, last); }, {"[2, 29]", "[2, 28]"});
  expect_refused([&] { model.token_losses(tokens, longer, state, work, losses); }, {"[2, 6]", "[2, 7]"});
  expect_refused([&] { model.token_losses(tokens, tokens, state, work, losses); }, {"[2, 6]", "[2, 7]"});
  Tensor<float, 2> right({2, 29});
  expect_refused([&] { model.forward_last(none, state, work, right); }, {"at least one token", "[2, 0]"});
}

TEST_P(ModelInput, StatesOfOtherModelsAreRefused) {
  const bool has_ttt = !GetParam().blocks.empty() || GetParam().sequence_type != SequenceType::attention;
  std::vector<ModelConfig> others(has_ttt ? 5 : 3, GetParam());
  others[0].num_layers = 3;
  others[1].blocks.clear();
  others[1].sequence_type = GetParam().sequence_type == SequenceType::linear ? SequenceType::mlp : SequenceType::linear;
  others[2].pre_conv = !GetParam().pre_conv;
  if (has_ttt) {
    others[3].mini_batch_size = 6;
    others[4].share_qk = !GetParam().share_qk;
  }
  const Tensor<Token, 2> tokens = random_tokens(2, 3, 29, rng);
  Tensor<float, 2> last({2, 29});
  for (const ModelConfig& config : others) {
    ModelState<float> other = random_model<float>(config, rng).start(2);
    EXPECT_THROW(model.forward_last(tokens, other, work, last), ShapeError);
  }
}

TEST_P(ModelInput, ParametersOfOtherModelsAreRefused) {
  const ModelConfig config = resolved(GetParam());
  const auto refusal = [&](const auto& change) {
    ModelConfig other = GetParam();
    change(other);
    try {
      Model(config, ModelParams<float>::zeros(other));
    } catch (const ShapeError& e) {
      return std::string(e.what()).substr(std::string("model parameters: expected ").size());
    }
    return std::string("accepted");
  };
  const bool tied = config.tie_word_embeddings, mamba = config.pre_conv;
  const std::string head = tied ? "[0, 0], found [29, 12]" : "[29, 12], found [0, 0]";
  const std::string norm = mamba ? "[12], found [0]" : "[0], found [12]";
  EXPECT_EQ(refusal([](ModelConfig&) {}), "accepted");
  EXPECT_EQ(refusal([](ModelConfig& c) { c.num_layers = 3; }), "2 layers, found 3");
  EXPECT_EQ(refusal([](ModelConfig& c) { c.vocab_size = 30; }),
            "model.embed_tokens.weight of shape [29, 12], found [30, 12]");
  EXPECT_EQ(refusal([&](ModelConfig& c) { c.tie_word_embeddings = !tied; }), "lm_head.weight of shape " + head);
  EXPECT_EQ(refusal([&](ModelConfig& c) { c.pre_conv = !mamba; }), "model.layers.0.conv.norm.weight of shape " + norm);
  EXPECT_EQ(refusal([](ModelConfig& c) {
              const bool attention = c.block(1).type == SequenceType::attention;
              c.blocks = {c.block(0), attention ? SequenceType::linear : SequenceType::attention};
            }),
            "layer 1 of the configured type, found another");
}

TEST_P(ModelInput, TheLayersOfAHybridAreComparedWithTheirOwnConfiguration) {
  ModelConfig config = GetParam();
  config.num_layers = 4;
  config.blocks = {config.sequence_type, SequenceType::attention};
  const ModelParams<float> right = ModelParams<float>::zeros(config);
  EXPECT_NO_THROW(Model(config, right));
  for (std::size_t i = 0; i < 4; ++i) {
    ModelParams<float> wrong = right;
    std::swap(wrong.layers[i].gate_proj, wrong.layers[i].down_proj);
    try {
      Model(config, wrong);
      ADD_FAILURE() << "accepted";
    } catch (const ShapeError& e) {
      EXPECT_NE(std::string(e.what()).find("model.layers." + std::to_string(i) + ".mlp.gate_proj.weight"),
                std::string::npos)
          << e.what();
    }
  }
}

TEST_P(ModelInput, NothingIsReadFromNothing) {
  const Tensor<Token, 2> no_time({2, 0}), no_batch({0, 4});
  Tensor<float, 3> logits({2, 0, 29});
  model.forward(no_time, state, work, logits);
  EXPECT_TRUE(same_state(state, before));
  EXPECT_EQ(model(no_batch).shape(), (Shape<3>{0, 4, 29}));
}

TEST_P(ModelInput, StreamsMoveBetweenBatches) {
  ModelState<float> other = model.start(1);
  const Tensor<Token, 2> next = random_tokens(1, 6, 29, rng);
  ModelState<float> alone = state.clone();
  alone.streams.erase(alone.streams.begin());
  Tensor<float, 2> expected({1, 29}), found({1, 29});
  model.forward_last(next, alone, work, expected);
  std::swap(state.streams[1], other.streams[0]);
  model.forward_last(next, other, work, found);
  EXPECT_TRUE(same_bits(found, expected));
  EXPECT_TRUE(same_bits(other.streams[0], alone.streams[0]));
}

TEST_P(ModelInput, HiddenStatesAndLossesAreOfTheWholeCallAndChangeNoBit) {
  const Tensor<Token, 2> tokens = random_tokens(2, 300, 29, rng);
  std::vector<InnerLosses<float>> losses;
  std::vector<Tensor<float, 3>> hidden;
  ModelState<float> measured = model.start(2), plain = model.start(2);
  Tensor<float, 3> logits({2, 300, 29});
  model.forward(tokens, measured, work, logits, {.losses = &losses, .hidden = &hidden});
  EXPECT_TRUE(same_bits(logits, model(tokens)));
  Tensor<float, 2> last({2, 29});
  model.forward_last(tokens, plain, work, last);
  EXPECT_TRUE(same_state(measured, plain));

  ASSERT_EQ(losses.size(), 2u);
  ASSERT_EQ(hidden.size(), 3u);
  // The last hidden state is what the head reads.
  const auto& [embed_tokens, layers, norm, lm_head] = model.params();
  const Tensor<float, 2> head = (GetParam().tie_word_embeddings ? embed_tokens : lm_head).tensor();
  for (const Index t : {0, 255, 256, 299}) {
    for (Index v = 0; v < 29; ++v) {
      double sum = 0, size = 0;
      for (Index c = 0; c < 12; ++c) {
        const double product = static_cast<double>(hidden[2][1][t][c]) * static_cast<double>(head[v][c]);
        sum += product;
        size += std::abs(product);
      }
      EXPECT_NEAR(static_cast<double>(logits[1][t][v]), sum, 12 * std::numeric_limits<float>::epsilon() * size);
    }
  }
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const InnerLosses<float>& layer = losses[i];
    if (GetParam().block(static_cast<Index>(i)).type == SequenceType::attention) {
      EXPECT_TRUE(layer.initial.empty() && layer.before.empty() && layer.after.empty());
      continue;
    }
    for (const Tensor<float, 3>* all : {&layer.initial, &layer.before, &layer.after}) {
      ASSERT_EQ(all->shape(), (Shape<3>{2, 2, 300}));
      for (const float loss : *all) ASSERT_GT(loss, 0.0f);
    }
    for (Index t = 0; t < 5; ++t) EXPECT_EQ(layer.before[0][1][t], layer.initial[0][1][t]) << "first mini-batch";
  }
}

TEST_P(ModelInput, ABackwardThatIsRefusedChangesNothing) {
  const Tensor<Token, 2> tokens = random_tokens(2, 6, 29, rng);
  auto gradient = ModelParams<float>::zeros(model.config());
  ModelState<float> first = model.start(2), d_state = model.start(2);
  ModelTape<float> tape;
  model.forward_loss(tokens, tokens, first, tape, work, gradient);
  const auto gradient_before = gradient;

  ModelConfig config = GetParam();
  config.num_heads = 1;
  const BasicModel<float> other = random_model<float>(config, rng);
  if (other.config() != model.config()) {
    auto other_gradient = ModelParams<float>::zeros(other.config());
    ModelState<float> other_state = other.zeros(2);
    EXPECT_THROW(other.backward(tape, other_state, work, other_gradient), ShapeError);
    EXPECT_TRUE(same_bits(other_gradient, ModelParams<float>::zeros(other.config())));
  }

  Tensor<float, 2> last({2, 29});
  model.forward_last(random_tokens(2, 4, 29, rng), d_state, work, last);  // a state of 4 tokens, not of 6
  const bool has_attention =
      GetParam().block(0).type == SequenceType::attention || GetParam().block(1).type == SequenceType::attention;
  if (!has_attention) return;
  const ModelState<float> d_before = d_state.clone();
  EXPECT_THROW(model.backward(tape, d_state, work, gradient), ShapeError);
  EXPECT_TRUE(same_bits(gradient, gradient_before));
  EXPECT_TRUE(same_state(d_state, d_before));
}

INSTANTIATE_TEST_SUITE_P(Small, ModelInput, testing::ValuesIn(small_models()), model_name);

}  // namespace
}  // namespace ttt::support
