// SPDX-License-Identifier: MIT
// Which layer each block runs: patterns, configurations of their own, and their config.json.
#include <gtest/gtest.h>

#include "io/config_json.hpp"
#include "support/files.hpp"

namespace ttt {
namespace {

using enum SequenceType;
using support::contains;
using support::error_of;
using support::get;
using support::put;
using support::TemporaryDirectory;

ModelConfig hybrid() {
  ModelConfig config{.vocab_size = 97, .hidden_size = 32, .num_layers = 6, .num_heads = 4, .rope_theta = 500.0};
  config.blocks = {linear, mlp, SequenceConfig::with<attention>({.hidden_size = 32, .num_heads = 2, .window = 64})};
  return config;
}

TEST(Blocks, RepeatTheirPattern) {
  const ModelConfig config = hybrid();
  const SequenceType expected[] = {linear, mlp, attention, linear, mlp, attention};
  for (Index i = 0; i < 6; ++i) EXPECT_EQ(config.block(i).type, expected[i]) << i;
  EXPECT_EQ(config.block(2), config.block(5));
}

TEST(Blocks, TakeWhatTheyDoNotSayFromTheModel) {
  const ModelConfig config = hybrid();
  const TttConfig of_linear = std::get<0>(*config.block(0).config);
  EXPECT_EQ(of_linear.num_heads, 4);
  EXPECT_EQ(of_linear.rope_theta, 500.0);
  EXPECT_EQ(of_linear.base_lr, 1.0);
  EXPECT_EQ(std::get<1>(*config.block(1).config).base_lr, 0.1);
  const AttentionConfig of_attention = std::get<2>(*config.block(2).config);
  EXPECT_EQ(of_attention.head_dim, 16);
  EXPECT_EQ(of_attention.num_key_value_heads, 2);
  EXPECT_EQ(of_attention.rope_theta, 10000.0);  // its configuration is its own
}

TEST(Blocks, ThatSayNothingNewAreTheShortForm) {
  ModelConfig config = hybrid();
  config.blocks = {mlp, mlp};
  const ModelConfig short_form = resolved(config);
  EXPECT_TRUE(short_form.blocks.empty());
  EXPECT_EQ(short_form.sequence_type, mlp);
  EXPECT_EQ(short_form.base_lr, 0.1);
  config.blocks = {attention};
  EXPECT_TRUE(resolved(config).blocks.empty());
}

TEST(Blocks, ThatCannotBeAreRefused) {
  const auto error = [](const auto& damage) {
    ModelConfig config = hybrid();
    damage(config);
    return error_of<ConfigError>([&] { validate(config); });
  };
  EXPECT_TRUE(contains(error([](ModelConfig& c) { c.num_layers = 2; }), "a pattern of at most 2 layers, found 3"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { c.hidden_size = 64; }), "hidden_size 64, found 32"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { c.blocks[0].config = c.blocks[2].config; }), "of the type linear"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { c.blocks[0].type = static_cast<SequenceType>(9); }), "number 9"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { std::get<2>(*c.blocks[2].config).window = 0; }), "window"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { std::get<2>(*c.blocks[2].config).num_key_value_heads = 3; }),
                       "num_key_value_heads: expected a divisor of num_heads (2), found 3"));
  EXPECT_TRUE(contains(error([](ModelConfig& c) { std::get<2>(*c.blocks[2].config).head_dim = 7; }),
                       "head_dim: expected an even number, found 7"));
}

class HybridJson : public testing::Test {
 protected:
  std::filesystem::path file() const { return directory_.path() / "config.json"; }
  std::string error(const std::string& text) {
    put(file(), text);
    return error_of<CheckpointError>([&] { detail::read_config(file()); });
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(HybridJson, IsReadBackAsItWasWritten) {
  ModelConfig other = hybrid();
  other.blocks = {SequenceConfig::with<linear>({.hidden_size = 32, .num_heads = 2, .parts = {.rotary = false}}),
                  attention};
  ModelConfig plain = hybrid();
  plain.blocks.clear();
  plain.sequence_type = attention;
  ModelConfig reversed = other;
  reversed.parts.rotary = false;
  reversed.blocks[0] = SequenceConfig::with<linear>({.hidden_size = 32, .num_heads = 2});
  ModelConfig no_window = hybrid();
  std::get<2>(*no_window.blocks[2].config).window.reset();
  for (const ModelConfig& config : {hybrid(), other, plain, reversed, no_window}) {
    detail::write_config(file(), config, Dtype::f32);
    EXPECT_EQ(resolved(detail::read_config(file())), resolved(config)) << get(file());
  }
}

TEST_F(HybridJson, NamesLayersAndWhatDiffers) {
  detail::write_config(file(), hybrid(), Dtype::f32);
  const std::string text = get(file());
  EXPECT_TRUE(contains(text, R"("model_type": "ttt_hybrid")"));
  EXPECT_TRUE(contains(text, R"("sequence_layers": [
    "linear",
    "mlp",
    {
      "head_dim": 16,
      "num_attention_heads": 2,
      "num_key_value_heads": 2,
      "rope_theta": 10000.0,
      "sliding_window": 64,
      "type": "attention"
    }
  ])"));
  EXPECT_EQ(text.find("TTTForCausalLM"), std::string::npos);  // which could not read it
}

TEST_F(HybridJson, RefusesWhatIsWrong) {
  const std::string start = R"({"model_type":"ttt_hybrid","sequence_layers":)";
  EXPECT_TRUE(contains(error(start + "[]}"), "sequence_layers: expected an array of layers, found []"));
  EXPECT_TRUE(contains(error(start + "[3]}"), "sequence_layers: expected layers by name or as objects, found 3"));
  EXPECT_TRUE(contains(error(start + R"(["lstm"]})"), "sequence_layers[0]: expected a type of layer, found \"lstm\""));
  EXPECT_TRUE(contains(error(start + R"([{"window":3}]})"), "sequence_layers[0]: expected a type of layer"));
  EXPECT_TRUE(contains(error(start + R"([{"type":"attention","width":3}]})"),
                       "sequence_layers[0]: expected keys of such a layer only, found \"width\""));
  EXPECT_TRUE(contains(error(start + R"([{"type":"attention","sliding_window":0}]})"), "sliding_window: expected"));
  EXPECT_TRUE(contains(error(R"({"model_type":"ttt","sequence_layers":["linear"]})"), "model_type"));
}

}  // namespace
}  // namespace ttt
