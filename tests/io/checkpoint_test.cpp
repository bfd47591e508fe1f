// SPDX-License-Identifier: MIT
// Models to disk and back: the same bits, the official layout, and clear refusals.
#include "ttt/checkpoint.hpp"

#include "io/model_files.hpp"
#include "support/files.hpp"
#include "support/same_bits.hpp"

namespace ttt {
namespace {

using support::same_bits;
using support::TemporaryDirectory;

template <class T>
BasicModel<T> small_model(SequenceType type, bool mamba, bool tied) {
  Rng rng(11);
  return BasicModel<T>({.vocab_size = 23,
                        .hidden_size = 16,
                        .num_layers = 2,
                        .num_heads = 2,
                        .sequence_type = type,
                        .mini_batch_size = 4,
                        .share_qk = mamba,
                        .use_gate = mamba,
                        .pre_conv = mamba,
                        .tie_word_embeddings = tied},
                       rng);
}

template <class T>
class Checkpoint : public ::testing::Test {};
using Scalars = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Checkpoint, Scalars);

TYPED_TEST(Checkpoint, SaveThenLoadGivesTheSameBits) {
  const TemporaryDirectory temporary;
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    for (const bool mamba : {false, true}) {
      for (const bool tied : {false, true}) {
        const auto model = small_model<TypeParam>(type, mamba, tied);
        save(model, temporary.path() / "model");
        const auto loaded = load<TypeParam>(temporary.path() / "model");
        EXPECT_EQ(loaded.config(), model.config());
        EXPECT_TRUE(same_bits(loaded.params(), model.params()));
      }
    }
  }
}

TEST(Checkpoint, AnAblatedModelComesBackAblated) {
  const TemporaryDirectory temporary;
  Rng rng(3);
  ModelConfig config{.vocab_size = 5, .hidden_size = 8, .num_layers = 1, .num_heads = 2};
  config.parts = {.inner_norm = false, .rotary = false, .learned_rate = false, .learned_w0 = false};
  const Model model(config, rng);
  save(model, temporary.path() / "model");
  const Model loaded = load(temporary.path() / "model");
  EXPECT_EQ(loaded.config(), model.config());
  EXPECT_TRUE(same_bits(loaded.params(), model.params()));
}

TEST(Checkpoint, SixteenBitsRoundEveryWeightOnce) {
  const TemporaryDirectory temporary;
  const auto model = small_model<float>(SequenceType::linear, true, false);
  for (const auto& [stored, rounding] : {std::pair(Dtype::bf16, 0x1p-8), std::pair(Dtype::f16, 0x1p-11)}) {
    save(model, temporary.path() / "model", stored);
    const Model loaded = load(temporary.path() / "model");
    ModelParams<float>::visit(
        [&, relative = rounding](const std::string& name, const auto& saved, const auto& read) {
          const auto a = values(saved), b = values(read);
          for (Index i = 0; i < a.size(); ++i) {
            // f16 is subnormal, and so less exact, below 2^-14.
            ASSERT_LE(std::abs(a[i] - b[i]), relative * std::abs(a[i]) + 0x1p-25) << name;
          }
        },
        model.params(), loaded.params());
    save(loaded, temporary.path() / "again", stored);
    EXPECT_TRUE(same_bits(load(temporary.path() / "again").params(), loaded.params()));
  }
}

TEST(Checkpoint, FollowsTheOfficialLayout) {
  const TemporaryDirectory temporary;
  save(small_model<float>(SequenceType::mlp, true, false), temporary.path() / "model");
  EXPECT_EQ(support::names_in(temporary.path() / "model"), (std::set<std::string>{"config.json", "model.safetensors"}));
  const TensorFile file(temporary.path() / "model" / "model.safetensors");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.info("model.layers.1.seq_modeling_block.W2").shape, (std::vector<Index>{2, 32, 8}));
  EXPECT_EQ(file.info("model.layers.1.seq_modeling_block.b1").shape, (std::vector<Index>{2, 1, 32}));
  EXPECT_EQ(file.info("model.layers.0.seq_modeling_block.conv_q.weight").shape, (std::vector<Index>{16, 1, 4}));
  EXPECT_EQ(file.info("model.layers.0.seq_modeling_block.learnable_ttt_lr_weight").shape,
            (std::vector<Index>{2, 1, 16}));
  EXPECT_EQ(file.info("lm_head.weight").shape, (std::vector<Index>{23, 16}));
}

TEST(Checkpoint, KeepsTheFilesOfATokenizer) {
  const TemporaryDirectory temporary;
  const std::filesystem::path directory = temporary.path() / "model";
  save(small_model<float>(SequenceType::linear, false, true), directory);
  support::put(directory / "tokenizer.json", "{}");
  const Model model = small_model<float>(SequenceType::mlp, true, false);
  save(model, directory);
  EXPECT_EQ(support::get(directory / "tokenizer.json"), "{}");
  EXPECT_TRUE(same_bits(load(directory).params(), model.params()));
}

/// Writes the model's tensors after `edit` has changed their list.
template <class Edit>
void save_edited(const Model& model, const std::filesystem::path& directory, const Edit& edit) {
  save(model, directory);
  std::vector<TensorSource> sources = detail::tensor_sources(model.params(), Dtype::f32);
  edit(sources);
  write_safetensors(directory / "model.safetensors", sources);
}

TEST(Checkpoint, ReadsABareModelAndATiedHead) {
  const TemporaryDirectory temporary;
  const Model model = small_model<float>(SequenceType::linear, false, true);
  save_edited(model, temporary.path() / "bare", [](std::vector<TensorSource>& sources) {
    for (TensorSource& source : sources) source.name = source.name.substr(std::string("model.").size());
  });
  EXPECT_TRUE(same_bits(load(temporary.path() / "bare").params(), model.params()));
  save_edited(model, temporary.path() / "tied", [&](std::vector<TensorSource>& sources) {
    sources.push_back({"lm_head.weight", Dtype::f32, {23, 16}, &model.params().embed_tokens});
  });
  EXPECT_TRUE(same_bits(load(temporary.path() / "tied").params(), model.params()));
}

TEST(Checkpoint, RefusesWhatIsNotThisModel) {
  const TemporaryDirectory temporary;
  const Model model = small_model<float>(SequenceType::linear, false, true);
  const std::filesystem::path directory = temporary.path() / "model";
  const auto refusal = [&](const auto& edit) {
    save_edited(model, directory, edit);
    return support::error_of<CheckpointError>([&] { load(directory); });
  };
  using Sources = std::vector<TensorSource>;
  const Tensor<float, 1> zeros({23 * 16});

  EXPECT_NE(refusal([](Sources& s) { s.pop_back(); }).find("expected a tensor model.norm.weight, found none"),
            std::string::npos);
  EXPECT_NE(refusal([&](Sources& s) {
              s.push_back({"model.extra", Dtype::f32, {2}, zeros.data()});
            }).find("tensor model.extra: expected no tensor of this name"),
            std::string::npos);
  EXPECT_NE(refusal([&](Sources& s) {
              s.back().shape = {4, 4};
            }).find("tensor model.norm.weight: expected shape [16], found [4, 4]"),
            std::string::npos);
  EXPECT_NE(refusal([&](Sources& s) {
              s.push_back({"lm_head.weight", Dtype::f32, {23, 16}, zeros.data()});
            }).find("expected the embedding"),
            std::string::npos);
  EXPECT_NE(refusal([&](Sources& s) {
              s.push_back({"norm.weight", Dtype::f32, {16}, zeros.data()});
            }).find("expected it once"),
            std::string::npos);
  EXPECT_NE(support::error_of<CheckpointError>([&] { load(temporary.path() / "nowhere"); }).find("nowhere"),
            std::string::npos);
}

TEST(Checkpoint, AConfigurationAloneCannotAskForMemory) {
  const TemporaryDirectory temporary;
  const std::filesystem::path directory = temporary.path() / "model";
  const Model model = small_model<float>(SequenceType::linear, true, false);
  for (const auto& [key, size] : {std::pair("num_hidden_layers", "1000000000"), std::pair("vocab_size", "100000000000"),
                                  std::pair("mini_batch_size", "100000000000"), std::pair("conv_kernel", "10000000000"),
                                  std::pair("intermediate_size", "1000000000000")}) {
    save(model, directory);
    std::string config = support::get(directory / "config.json");
    const std::size_t begin = config.find(':', config.find('"' + std::string(key) + '"')) + 1;
    config.replace(begin, config.find_first_of(",\n", begin) - begin, std::string(" ") + size);
    support::put(directory / "config.json", config);
    EXPECT_THROW(load(directory), CheckpointError) << key;
  }
}

}  // namespace
}  // namespace ttt
