// SPDX-License-Identifier: MIT
// Which configurations a model can have, the defaults that depend on other fields, and what each block runs.
#include "ttt/model/config.hpp"

#include <algorithm>

#include "sequence/config_checks.hpp"

namespace ttt {
namespace {

using namespace detail;

void require_token(const char* field, std::optional<Token> id, Index vocab_size) {
  if (!id) return;
  require<ConfigError>(0 <= *id && *id < vocab_size, field,
                       ": expected none, or 0 ... vocab_size - 1 = ", vocab_size - 1, ", found ", *id);
}

/// 8/3 hidden_size, rounded up to a multiple of 16; but the paper's largest model is a little wider than that.
Index default_intermediate_size(Index hidden_size) { return hidden_size == 2048 ? 5504 : (hidden_size + 5) / 6 * 16; }

/// What a block runs, complete: with the model's configuration where it has none of its own.
SequenceConfig complete(const ModelConfig& model, const SequenceConfig& given) {
  return sequence::with<float>(given.type, [&]<class S, std::size_t i>(sequence::At<S, i>) {
    require<ConfigError>(!given.config || given.config->index() == i, "blocks: expected a configuration of the type ",
                         name(given.type), ", found one of another");
    const auto config = S::resolved(given.config ? std::get<i>(*given.config) : model.layer<S>());
    require<ConfigError>(config.hidden_size == model.hidden_size, "blocks: expected layers of the model's hidden_size ",
                         model.hidden_size, ", found ", config.hidden_size);
    return SequenceConfig(given.type, sequence::AnyConfig(std::in_place_index<i>, config));
  });
}

/// More than the numbers that a layer and its state of one token hold.
double layer_elements(const SequenceConfig& block) {
  return sequence::with_config<float>(block, []<class S, std::size_t i>(sequence::At<S, i>, const auto& config) {
    return S::operations(config, 1) + static_cast<double>(S::state_bytes(config, 1));
  });
}

}  // namespace

SequenceConfig ModelConfig::block(Index i) const {
  if (blocks.empty()) return complete(*this, sequence_type);
  return complete(*this, blocks[static_cast<std::size_t>(i) % blocks.size()]);
}

void validate(const ModelConfig& config) {
  require_size("hidden_size", config.hidden_size);
  require_size("num_layers", config.num_layers);
  require_size("conv_kernel", config.conv_kernel);
  double elements = 0;
  const Index pattern = config.blocks.empty() ? 1 : static_cast<Index>(config.blocks.size());
  require<ConfigError>(pattern <= config.num_layers, "blocks: expected a pattern of at most ", config.num_layers,
                       " layers, found ", pattern);
  for (Index i = 0; i < pattern; ++i) {
    const double share = static_cast<double>(config.num_layers) / static_cast<double>(pattern);
    elements += (share + 1) * layer_elements(config.block(i));
  }
  require_size("vocab_size", config.vocab_size);
  const Index intermediate_size = config.intermediate_size.value_or(default_intermediate_size(config.hidden_size));
  require_size("intermediate_size", intermediate_size);
  require_positive("rms_norm_eps", config.rms_norm_eps);
  require_not_negative("initializer_range", config.initializer_range);
  require_token("pad_token_id", config.pad_token_id, config.vocab_size);
  require_token("bos_token_id", config.bos_token_id, config.vocab_size);
  require_token("eos_token_id", config.eos_token_id, config.vocab_size);

  const auto C = static_cast<double>(config.hidden_size);
  require_addressable(elements +
                      static_cast<double>(config.num_layers) * 3 * C * static_cast<double>(intermediate_size) +
                      2 * C * static_cast<double>(config.vocab_size));
}

ModelConfig resolved(ModelConfig config) {
  validate(config);
  if (!config.intermediate_size) config.intermediate_size = default_intermediate_size(config.hidden_size);
  const auto as_first = [&](const SequenceConfig& block) { return block == config.blocks.front(); };
  for (SequenceConfig& block : config.blocks) block = complete(config, block);
  if (!config.blocks.empty() && std::all_of(config.blocks.begin(), config.blocks.end(), as_first)) {
    // One type with the model's own configuration is the short form.
    ModelConfig short_form = config;
    short_form.blocks.clear();
    short_form.sequence_type = config.blocks.front().type;
    if (short_form.block(0) == config.blocks.front()) config = short_form;
  }
  if (!config.blocks.empty()) config.sequence_type = SequenceType();  // which says nothing
  if (config.blocks.empty()) {
    sequence::with_config<float>(config.block(0), [&]<class S, std::size_t i>(sequence::At<S, i>, const auto& layer) {
      if constexpr (requires { layer.base_lr; }) config.base_lr = layer.base_lr;
    });
  }
  return config;
}

}  // namespace ttt
