// SPDX-License-Identifier: MIT
// A whole language model gives the same bits however its text is cut, in any company, with any number of threads, on
// any instruction set.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iostream>
#include <limits>
#include <string>

#include "support/model_problem.hpp"

namespace ttt::support {
namespace {

template <class T>
class ModelBits : public testing::Test {
 protected:
  Rng rng{8};
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ModelBits, Scalars);

template <class T>
View<T, 3> logits_piece(Tensor<T, 3>& logits, Index t, Index n) {
  return time_piece(logits.view(), t, n);
}

View<const Token, 2> tokens_piece(const Tensor<Token, 2>& tokens, Index t, Index n) {
  return tokens.view().columns(t, n);
}

template <class T>
Tensor<T, 3> forward_in_pieces(const BasicModel<T>& model, const Tensor<Token, 2>& tokens, ModelState<T>& state,
                               const Cuts& cuts) {
  Tensor<T, 3> logits({tokens.extent(0), tokens.extent(1), model.config().vocab_size});
  Index t = 0;
  for (const Index n : cuts) {
    // forward takes logits of any stride.
    Workspace work;
    model.forward(tokens_piece(tokens, t, n), state, work, logits_piece(logits, t, n));
    t += n;
  }
  return logits;
}

TYPED_TEST(ModelBits, AnySplitIsTheSame) {
  const Threads one(1);
  for (const ModelConfig& config : small_models()) {
    const BasicModel<TypeParam> model = random_model<TypeParam>(config, this->rng);
    const Tensor<Token, 2> tokens = random_tokens(1, detail::rows_at_a_time + 20, config.vocab_size, this->rng);
    auto whole = model.start(1);
    const auto expected = forward_in_pieces(model, tokens, whole, {tokens.extent(1)});
    for (const Cuts& cuts : all_cuts(tokens.extent(1), config.mini_batch_size, config.conv_kernel, this->rng)) {
      auto state = model.start(1);
      const auto logits = forward_in_pieces(model, tokens, state, cuts);
      ASSERT_TRUE(same_bits(logits, expected)) << "first piece " << cuts[0];
      ASSERT_TRUE(same_state(state, whole)) << "first piece " << cuts[0];
    }
  }
}

TYPED_TEST(ModelBits, LastLogitsAndLossesAreThoseOfAllLogits) {
  using T = TypeParam;
  for (const ModelConfig& config : small_models()) {
    const BasicModel<T> model = random_model<T>(config, this->rng);
    const Index batch = 2, time = 300, V = config.vocab_size;
    const Tensor<Token, 2> tokens = random_tokens(batch, time, V, this->rng);
    Tensor<Token, 2> targets = random_tokens(batch, time, V, this->rng);
    targets[1][7] = ignored_target;
    const Tensor<T, 3> logits = model(tokens);
    Workspace work;

    auto state = model.start(batch);
    Tensor<T, 2> last({batch, V});
    model.forward_last(tokens_piece(tokens, 0, 290), state, work, last);
    model.forward_last(tokens_piece(tokens, 290, 10), state, work, last);
    for (Index i = 0; i < batch; ++i) {
      for (Index v = 0; v < V; ++v) ASSERT_EQ(last[i][v], logits[i][time - 1][v]);
    }

    // Losses of a row come from that row's logits alone.
    Tensor<T, 2> losses({batch, time}), pieces({batch, time});
    state = model.start(batch);
    model.token_losses(tokens, targets, state, work, losses);
    state = model.start(batch);
    Index t = 0;
    for (const Index n : {1, 127, 2, 170}) {
      model.token_losses(tokens_piece(tokens, t, n), tokens_piece(targets, t, n), state, work,
                         pieces.view().columns(t, n));
      t += n;
    }
    EXPECT_TRUE(same_bits(pieces, losses));
    EXPECT_EQ(losses[1][7], T(0));
    for (Index i = 0; i < batch; ++i) {
      for (Index s = 0; s < time; s += 37) {
        double sum = 0;
        for (Index v = 0; v < V; ++v) sum += std::exp(static_cast<double>(logits[i][s][v]));
        const double expected = std::log(sum) - static_cast<double>(logits[i][s][targets[i][s]]);
        // A logit of size below 16, off by eps / 2, moves the loss by as much; as do the sum and the logarithm.
        EXPECT_NEAR(static_cast<double>(losses[i][s]), expected, 64 * std::numeric_limits<T>::epsilon());
      }
    }
  }
}

TYPED_TEST(ModelBits, AnyCompanyAndThreadsAreTheSame) {
  using T = TypeParam;
  for (const ModelConfig& config : small_models()) {
    const BasicModel<T> model = random_model<T>(config, this->rng);
    const Index batch = 3, time = 101;
    const Tensor<Token, 2> tokens = random_tokens(batch, time, config.vocab_size, this->rng);
    const Tensor<Token, 2> targets = random_tokens(batch, time, config.vocab_size, this->rng);
    auto together = model.start(batch);
    const Tensor<T, 3> logits = forward_in_pieces(model, tokens, together, {time});
    for (Index i = 0; i < batch; ++i) {
      auto alone = model.start(1);
      Tensor<Token, 2> own({1, time});
      copy<Token, 1>(tokens[i], own[0]);
      const Tensor<T, 3> found = forward_in_pieces(model, own, alone, {time});
      EXPECT_EQ(0, std::memcmp(found.data(), logits[i].data(), static_cast<std::size_t>(found.size()) * sizeof(T)));
      EXPECT_TRUE(same_bits(alone.streams[0], together.streams[static_cast<std::size_t>(i)])) << "sequence " << i;
    }
    auto d_state = model.zeros(batch);
    fill_state(d_state, 0.1, this->rng);
    const auto one = training_step<T>(model, tokens, targets, model.start(batch), d_state.clone());
    for (const Index n : {2, 3, 7}) {
      const Threads with(n);
      const auto step = training_step<T>(model, tokens, targets, model.start(batch), d_state.clone());
      EXPECT_EQ(step.loss, one.loss) << n << " threads";
      EXPECT_TRUE(same_bits(step.gradient, one.gradient)) << n << " threads";
      EXPECT_TRUE(same_state(step.state, one.state)) << n << " threads";
      EXPECT_TRUE(same_state(step.d_state, one.d_state)) << n << " threads";
    }
  }
}

/// Puts the instruction set back.
class WithIsa {
 public:
  WithIsa() : before_(active_isa()) {}
  ~WithIsa() { set_isa(before_); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;

 private:
  Isa before_;
};

TYPED_TEST(ModelBits, AnyInstructionSetIsTheSame) {
  using T = TypeParam;
  const WithIsa restored;
  std::string covered;
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon})
    covered += supported(isa) ? std::string(" ") + name(isa) : "";
  std::cout << "compared with scalar:" << (covered.empty() ? " none" : covered) << "\n";
  testing::Test::RecordProperty("isas", "scalar" + covered);
  for (const ModelConfig& config : small_models()) {
    const BasicModel<T> model = random_model<T>(config, this->rng);
    const Tensor<Token, 2> tokens = random_tokens(2, 71, config.vocab_size, this->rng);
    const Tensor<Token, 2> targets = random_tokens(2, 71, config.vocab_size, this->rng);
    auto d_state = model.zeros(2);
    fill_state(d_state, 0.1, this->rng);
    set_isa(Isa::scalar);
    const Tensor<T, 3> logits = model(tokens);
    const auto expected = training_step<T>(model, tokens, targets, model.start(2), d_state.clone());
    for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) {
      if (!supported(isa)) continue;
      set_isa(isa);
      EXPECT_TRUE(same_bits(model(tokens), logits)) << name(isa);
      const auto step = training_step<T>(model, tokens, targets, model.start(2), d_state.clone());
      EXPECT_EQ(step.loss, expected.loss) << name(isa);
      EXPECT_TRUE(same_bits(step.gradient, expected.gradient)) << name(isa);
      EXPECT_TRUE(same_state(step.state, expected.state)) << name(isa);
      EXPECT_TRUE(same_state(step.d_state, expected.d_state)) << name(isa);
    }
  }
}

}  // namespace
}  // namespace ttt::support
