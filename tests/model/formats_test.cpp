// SPDX-License-Identifier: MIT
// Models whose dense weights are kept in 16 or 8 bits: the same laws of bits, and no training.
#include <gtest/gtest.h>

#include "support/files.hpp"
#include "support/model_problem.hpp"
#include "ttt/checkpoint.hpp"

namespace ttt::support {
namespace {

class ModelFormats : public testing::TestWithParam<ModelConfig> {
 protected:
  Rng rng{4};
  Model model = random_model<float>(GetParam(), rng);
  Tensor<Token, 2> tokens = random_tokens(3, 70, GetParam().vocab_size, rng);

  static constexpr WeightFormat formats[] = {WeightFormat::bf16, WeightFormat::q8};

  Model in(WeightFormat format) const {
    Model copy = model.clone();
    convert(copy.params(), format);
    return copy;
  }
};

TEST_P(ModelFormats, TokenByTokenIsTheSame) {
  for (const WeightFormat format : formats) {
    const Model rounded = in(format);
    const Tensor<float, 3> whole = rounded(tokens);
    ModelState<float> state = rounded.start(3);
    Workspace work;
    for (Index t = 0; t < tokens.extent(1); ++t) {
      Tensor<float, 2> logits({3, GetParam().vocab_size});
      rounded.forward_last(tokens.view().columns(t, 1), state, work, logits);
      for (Index i = 0; i < 3; ++i) {
        for (Index v = 0; v < logits.extent(1); ++v) ASSERT_EQ(logits[i][v], whole[i][t][v]) << name(format);
      }
    }
  }
}

TEST_P(ModelFormats, AreTheModelWithRoundedWeights) {
  for (const WeightFormat format : formats) {
    const Model rounded = in(format);
    Model full = rounded.clone();
    convert(full.params(), WeightFormat::full);
    EXPECT_TRUE(same_bits(rounded(tokens), full(tokens)));
    EXPECT_FALSE(same_bits(rounded(tokens), model(tokens)));
  }
}

TEST_P(ModelFormats, AreWhatLoadGivesForThem) {
  const TemporaryDirectory temporary;
  save(model, temporary.path() / "model");
  for (const WeightFormat format : formats) {
    const Model loaded = load(temporary.path() / "model", format);
    EXPECT_EQ(loaded.params().embed_tokens.format(), format);
    EXPECT_TRUE(same_bits(loaded(tokens), in(format)(tokens)));
    save(loaded, temporary.path() / "again");
    EXPECT_TRUE(same_bits(load(temporary.path() / "again")(tokens), loaded(tokens)));
  }
}

TEST_P(ModelFormats, AreNotTrained) {
  Model rounded = in(WeightFormat::bf16);
  auto gradient = Model::Params::zeros(model.config());
  ModelState<float> state = rounded.start(3);
  ModelTape<float> tape;
  Workspace work;
  const auto loss = [&] { rounded.forward_loss(tokens, tokens, state, tape, work, gradient); };
  EXPECT_TRUE(contains(error_of<Error>(loss), "in full precision, found bf16"));
  EXPECT_TRUE(same_bits(gradient, Model::Params::zeros(model.config())));
  EXPECT_TRUE(same_state(state, rounded.start(3)));
}

INSTANTIATE_TEST_SUITE_P(Small, ModelFormats, testing::ValuesIn(small_models()), model_name);

}  // namespace
}  // namespace ttt::support
