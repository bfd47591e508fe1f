// SPDX-License-Identifier: MIT
// Which configurations are valid, their defaults, and their config.json.
#include "ttt/model/config.hpp"

#include <cmath>
#include <functional>
#include <limits>

#include "io/config_json.hpp"
#include "support/files.hpp"

namespace ttt {
namespace {

using support::contains;
using support::error_of;
using support::get;
using support::put;
using support::TemporaryDirectory;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr Index huge = std::numeric_limits<Index>::max();

template <class Config, class Change>
Config with(Config config, const Change& change) {
  change(config);
  return config;
}

ModelConfig small() {
  return with(ModelConfig(), [](ModelConfig& c) {
    c.vocab_size = 97;
    c.hidden_size = 32;
    c.num_layers = 2;
    c.num_heads = 4;
    c.sequence_type = SequenceType::mlp;
  });
}

// --- validate --------------------------------------------------------------------------------------------------------

TEST(Config, DefaultsAreValid) {
  EXPECT_NO_THROW(validate(TttConfig{}));
  EXPECT_NO_THROW(validate(ModelConfig{}));
  EXPECT_NO_THROW(validate(small()));
  EXPECT_NO_THROW(validate(with(TttConfig(), [](TttConfig& c) {
    c.hidden_size = 2;
    c.num_heads = c.mini_batch_size = c.conv_kernel = 1;
    c.base_lr = 0.0;
  })));
  EXPECT_NO_THROW(validate(with(ModelConfig(), [](ModelConfig& c) {
    c.vocab_size = 1;
    c.bos_token_id.reset();
    c.eos_token_id = 0;
  })));
}

struct BadLayer {
  std::function<void(TttConfig&)> damage;
  const char* error;
};

TEST(Config, RefusesLayersThatCannotBe) {
  const BadLayer bad[] = {
      {[](TttConfig& c) { c.hidden_size = 0; }, "hidden_size: expected 1 ... 2147483647, found 0"},
      {[](TttConfig& c) { c.hidden_size = -64; }, "hidden_size"},
      {[](TttConfig& c) { c.hidden_size = huge; }, "hidden_size"},
      {[](TttConfig& c) { c.num_heads = 0; }, "num_heads: expected 1 ..."},
      {[](TttConfig& c) { c.num_heads = 3; }, "num_heads: expected a divisor of hidden_size (2048), found 3"},
      {[](TttConfig& c) { c.hidden_size = 6, c.num_heads = 2; },
       "even head size hidden_size / num_heads, found 6 / 2 = 3"},
      {[](TttConfig& c) { c.mini_batch_size = 0; }, "mini_batch_size"},
      {[](TttConfig& c) { c.mini_batch_size = huge; }, "mini_batch_size"},
      {[](TttConfig& c) { c.base_lr = -1.0; }, "base_lr: expected a finite number of at least 0, found -1"},
      {[](TttConfig& c) { c.base_lr = nan; }, "base_lr"},
      {[](TttConfig& c) { c.base_lr = infinity; }, "base_lr"},
      {[](TttConfig& c) { c.rope_theta = 0; }, "rope_theta: expected a finite number above 0, found 0"},
      {[](TttConfig& c) { c.rope_theta = nan; }, "rope_theta"},
      {[](TttConfig& c) { c.rope_theta = infinity; }, "rope_theta"},
      {[](TttConfig& c) { c.conv_kernel = 0; }, "conv_kernel"},
      {[](TttConfig& c) { c.hidden_size = 1 << 30, c.num_heads = 1; }, "numbers in memory"},
      {[](TttConfig& c) { c.mini_batch_size = 1 << 30; }, "numbers in memory"},
  };
  for (const BadLayer& layer : bad) {
    const std::string error = error_of<ConfigError>([&] { validate(with(TttConfig(), layer.damage)); });
    EXPECT_TRUE(contains(error, layer.error));
  }
}

struct BadModel {
  std::function<void(ModelConfig&)> damage;
  const char* error;
};

TEST(Config, RefusesModelsThatCannotBe) {
  const BadModel bad[] = {
      {[](ModelConfig& c) { c.num_heads = 5; }, "num_heads"},
      {[](ModelConfig& c) { c.base_lr = nan; }, "base_lr"},
      {[](ModelConfig& c) { c.vocab_size = 0; }, "vocab_size"},
      {[](ModelConfig& c) { c.vocab_size = Index{1} << 31; }, "vocab_size"},
      {[](ModelConfig& c) { c.num_layers = 0; }, "num_layers"},
      {[](ModelConfig& c) { c.intermediate_size = 0; }, "intermediate_size"},
      {[](ModelConfig& c) { c.intermediate_size = huge; }, "intermediate_size"},
      {[](ModelConfig& c) { c.rms_norm_eps = 0; }, "rms_norm_eps"},
      {[](ModelConfig& c) { c.rms_norm_eps = nan; }, "rms_norm_eps"},
      {[](ModelConfig& c) { c.initializer_range = -0.1; }, "initializer_range"},
      {[](ModelConfig& c) { c.initializer_range = infinity; }, "initializer_range"},
      {[](ModelConfig& c) { c.pad_token_id = 97; },
       "pad_token_id: expected none, or 0 ... vocab_size - 1 = 96, found 97"},
      {[](ModelConfig& c) { c.bos_token_id = -1; }, "bos_token_id"},
      {[](ModelConfig& c) { c.eos_token_id = 200; }, "eos_token_id"},
      {[](ModelConfig& c) { c.sequence_type = static_cast<SequenceType>(7); },
       "SequenceType: expected one of linear, mlp, attention, found number 7"},
      {[](ModelConfig& c) { c.hidden_size = 1 << 24, c.num_layers = 1 << 30; }, "numbers in memory"},
  };
  for (const BadModel& model : bad) {
    const ModelConfig config = with(small(), model.damage);
    const std::string error = error_of<ConfigError>([&] { validate(config); });
    EXPECT_TRUE(contains(error, model.error));
    EXPECT_THROW(resolved(config), ConfigError);
  }
}

TEST(Config, NamesLayerTypes) {
  EXPECT_STREQ(name(SequenceType::linear), "linear");
  EXPECT_STREQ(name(SequenceType::mlp), "mlp");
  EXPECT_STREQ(name(SequenceType::attention), "attention");
  EXPECT_THROW(name(static_cast<SequenceType>(3)), ConfigError);
  EXPECT_EQ(sequence_type("mlp"), SequenceType::mlp);
  EXPECT_EQ(sequence_type("lstm"), std::nullopt);
}

TEST(Config, ResolvesWhatIsEmpty) {
  const auto intermediate_size = [](Index hidden_size) {
    ModelConfig config;
    config.hidden_size = hidden_size;
    config.num_heads = 1;
    return *resolved(config).intermediate_size;
  };
  EXPECT_EQ(intermediate_size(768), 2048);  // the paper's sizes
  EXPECT_EQ(intermediate_size(1024), 2736);
  EXPECT_EQ(intermediate_size(1536), 4096);
  EXPECT_EQ(intermediate_size(2), 16);
  EXPECT_EQ(intermediate_size(6), 16);
  EXPECT_EQ(intermediate_size(8), 32);
  EXPECT_EQ(resolved(ModelConfig()).base_lr, 1.0);
  EXPECT_EQ(resolved(small()).base_lr, 0.1);

  ModelConfig set = small();
  set.base_lr = 0.0;
  set.intermediate_size = 7;
  EXPECT_EQ(resolved(set), set);
}

TEST(Config, GivesItsLayersTheirPart) {
  ModelConfig config = small();
  config.mini_batch_size = 5;
  config.base_lr = 0.25;
  config.rope_theta = 500;
  config.conv_kernel = 3;
  config.share_qk = config.use_gate = true;
  config.parts.rotary = false;
  const TttConfig expected = {.hidden_size = 32,
                              .num_heads = 4,
                              .mini_batch_size = 5,
                              .base_lr = 0.25,
                              .rope_theta = 500,
                              .conv_kernel = 3,
                              .share_qk = true,
                              .use_gate = true,
                              .parts = {.rotary = false}};
  EXPECT_EQ(config.layer(), expected);
  EXPECT_EQ(ModelConfig{}.layer(), TttConfig{});
}

// --- config.json -----------------------------------------------------------------------------------------------------

class ConfigJson : public ::testing::Test {
 protected:
  ModelConfig read(const std::string& text) const {
    put(file(), text);
    return detail::read_config(file());
  }

  std::string error(const std::string& text) const {
    return error_of<CheckpointError>([&] { read(text); });
  }

  std::filesystem::path file() const { return directory_.path() / "config.json"; }

 private:
  TemporaryDirectory directory_;
};

TEST_F(ConfigJson, ReadsAbsentKeysAsTheOfficialDefaults) {
  ModelConfig expected;
  expected.intermediate_size = 5504;
  expected.base_lr = 1.0;
  EXPECT_EQ(read("{}"), expected);
  expected.sequence_type = SequenceType::mlp;  // whose base rate is 1.0 here all the same
  EXPECT_EQ(read(R"({"ttt_layer_type":"mlp","unknown":{"a":[null]},"torch_dtype":3})"), expected);
}

TEST_F(ConfigJson, ReadsEveryKey) {
  const ModelConfig expected = {.vocab_size = 300,
                                .hidden_size = 64,
                                .num_layers = 3,
                                .num_heads = 4,
                                .intermediate_size = 80,
                                .sequence_type = SequenceType::mlp,
                                .mini_batch_size = 8,
                                .base_lr = 0.1,
                                .rope_theta = 500,
                                .conv_kernel = 5,
                                .share_qk = true,
                                .use_gate = true,
                                .pre_conv = true,
                                .tie_word_embeddings = false,
                                .rms_norm_eps = 1e-5,
                                .initializer_range = 0.5,
                                .pad_token_id = 0,
                                .bos_token_id = 299,
                                .eos_token_id = {},
                                .parts = {.inner_norm = false, .learned_w0 = false}};
  EXPECT_EQ(read(R"({"model_type":"ttt","hidden_act":"silu","vocab_size":300,"hidden_size":64,"num_hidden_layers":3,
                     "num_attention_heads":4,"intermediate_size":80,"ttt_layer_type":"mlp","mini_batch_size":8,
                     "ttt_base_lr":0.1,"rope_theta":500,"conv_kernel":5,"share_qk":true,"use_gate":true,
                     "pre_conv":true,"tie_word_embeddings":false,"rms_norm_eps":1e-05,"initializer_range":5e-1,
                     "pad_token_id":0,"bos_token_id":299,"eos_token_id":null,
                     "ttt_ablation":{"learned_w0":false,"inner_norm":false,"rotary":true}})"),
            expected);
  // What takes part in no default: a switch in the wrong place of the mapping would show here.
  for (const char* key :
       {"inner_norm", "inner_residual", "inner_bias", "rotary", "learned_rate", "token_scale", "learned_w0"}) {
    const Parts a = read(std::string(R"({"ttt_ablation":{")") + key + "\":false}}").parts;
    EXPECT_EQ(a.inner_norm, key != std::string("inner_norm"));
    EXPECT_EQ(a.inner_residual, key != std::string("inner_residual"));
    EXPECT_EQ(a.inner_bias, key != std::string("inner_bias"));
    EXPECT_EQ(a.rotary, key != std::string("rotary"));
    EXPECT_EQ(a.learned_rate, key != std::string("learned_rate"));
    EXPECT_EQ(a.token_scale, key != std::string("token_scale"));
    EXPECT_EQ(a.learned_w0, key != std::string("learned_w0"));
  }
}

struct BadJson {
  const char* text;
  const char* error;
};

TEST_F(ConfigJson, RefusesWhatIsWrong) {
  const BadJson bad[] = {
      {"", "expected JSON"},
      {"[]", "expected a JSON object, found []"},
      {"null", "expected a JSON object, found null"},
      {"{} x", "expected JSON"},
      {R"({"rope_theta":NaN})", "expected JSON"},
      {R"({"rope_theta":1e999})", "1e999"},
      {R"({"hidden_size":64,"hidden_size":64})", "found \"hidden_size\" twice"},
      {R"({"model_type":"llama"})", "model_type: expected \"ttt\", found \"llama\""},
      {R"({"model_type":null})", "model_type: expected \"ttt\", found null"},
      {R"({"hidden_act":"gelu"})", "hidden_act: expected \"silu\", found \"gelu\""},
      {R"({"ttt_layer_type":"rnn"})", "ttt_layer_type: expected \"linear\" or \"mlp\", found \"rnn\""},
      {R"({"ttt_layer_type":1})", "ttt_layer_type: expected \"linear\" or \"mlp\", found 1"},
      {R"({"hidden_size":"64"})", "hidden_size: expected an integer in 1 ... 9223372036854775807, found \"64\""},
      {R"({"hidden_size":64.0})", "hidden_size: expected an integer"},
      {R"({"hidden_size":null})", "hidden_size: expected an integer"},
      {R"({"hidden_size":9223372036854775808})", "hidden_size: expected an integer"},
      {R"({"hidden_size":9223372036854775807})", "hidden_size: expected 1 ... 2147483647"},
      {R"({"num_hidden_layers":-2})", "num_hidden_layers: expected an integer in 1 ... 9223372036854775807, found -2"},
      {R"({"num_attention_heads":0})", "num_attention_heads: expected an integer"},
      {R"({"num_attention_heads":7})", "expected a divisor of hidden_size (2048), found 7"},
      {R"({"intermediate_size":null})", "intermediate_size: expected an integer"},
      {R"({"intermediate_size":-1})", "intermediate_size: expected an integer"},
      {R"({"ttt_base_lr":"1"})", "ttt_base_lr: expected a number, found \"1\""},
      {R"({"ttt_base_lr":null})", "ttt_base_lr: expected a number, found null"},
      {R"({"ttt_base_lr":true})", "ttt_base_lr: expected a number, found true"},
      {R"({"ttt_base_lr":-1})", "base_lr: expected a finite number of at least 0, found -1"},
      {R"({"rms_norm_eps":0})", "rms_norm_eps: expected a finite number above 0, found 0"},
      {R"({"use_gate":1})", "use_gate: expected true or false, found 1"},
      {R"({"pad_token_id":-1})", "pad_token_id: expected an integer in 0 ... 2147483647, found -1"},
      {R"({"eos_token_id":[2,3]})", "eos_token_id: expected an integer in 0 ... 2147483647, found [2,3]"},
      {R"({"bos_token_id":4294967297})", "bos_token_id: expected an integer in 0"},
      {R"({"bos_token_id":32000})", "bos_token_id: expected none, or 0 ... vocab_size - 1 = 31999, found 32000"},
      {R"({"ttt_ablation":[]})", "ttt_ablation: expected an object, found []"},
      {R"({"ttt_ablation":{"rotary":0}})", "ttt_ablation: rotary: expected true or false, found 0"},
      {R"({"ttt_ablation":{"norm":false}})", "ttt_ablation: expected switches of the layer only, found \"norm\""},
  };
  for (const BadJson& json : bad) {
    SCOPED_TRACE(json.text);
    const std::string message = error(json.text);
    EXPECT_TRUE(contains(message, file().string() + ": "));
    EXPECT_TRUE(contains(message, json.error));
  }
  std::filesystem::remove(file());
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { detail::read_config(file()); }), "No such file"));
}

TEST_F(ConfigJson, WritesThisText) {
  ModelConfig config = small();
  config.parts.token_scale = false;
  detail::write_config(file(), config, Dtype::bf16);
  EXPECT_EQ(get(file()), R"({
  "architectures": [
    "TTTForCausalLM"
  ],
  "bos_token_id": 1,
  "conv_kernel": 4,
  "eos_token_id": 2,
  "hidden_act": "silu",
  "hidden_size": 32,
  "initializer_range": 0.02,
  "intermediate_size": 96,
  "max_position_embeddings": 2048,
  "mini_batch_size": 16,
  "model_type": "ttt",
  "num_attention_heads": 4,
  "num_hidden_layers": 2,
  "pad_token_id": null,
  "pre_conv": false,
  "pretraining_tp": 1,
  "rms_norm_eps": 1e-06,
  "rope_theta": 10000.0,
  "scan_checkpoint_group_size": 0,
  "share_qk": false,
  "tie_word_embeddings": true,
  "torch_dtype": "bfloat16",
  "ttt_ablation": {
    "token_scale": false
  },
  "ttt_base_lr": 0.1,
  "ttt_layer_type": "mlp",
  "use_cache": false,
  "use_gate": false,
  "vocab_size": 97
}
)");
}

TEST_F(ConfigJson, ReadsBackWhatItWrote) {
  ModelConfig config = small();
  config.base_lr = 0.1 + 0.2;  // 17 digits
  config.rope_theta = std::nextafter(1e6, 2e6);
  config.rms_norm_eps = 5e-324;
  config.initializer_range = 1.0;
  config.tie_word_embeddings = false;
  config.pad_token_id = 96;
  config.bos_token_id.reset();
  config.share_qk = config.pre_conv = true;
  detail::write_config(file(), config, Dtype::f32);
  EXPECT_EQ(detail::read_config(file()), resolved(config));
  EXPECT_TRUE(contains(get(file()), "\"initializer_range\": 1.0,"));
  EXPECT_EQ(get(file()).find("ttt_ablation"), std::string::npos);

  config.parts = {false, false, false, false, false, false, false};
  detail::write_config(file(), config, Dtype::f64);
  EXPECT_EQ(detail::read_config(file()), resolved(config));
}

TEST_F(ConfigJson, WritesNothingForABadConfiguration) {
  ModelConfig config = small();
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { detail::write_config(file(), config, Dtype::i64); }), "I64"));
  config.num_heads = 5;
  EXPECT_THROW(detail::write_config(file(), config, Dtype::f32), ConfigError);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

}  // namespace
}  // namespace ttt
