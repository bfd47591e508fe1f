// SPDX-License-Identifier: MIT
// Which configurations a model can have, and the defaults that depend on other fields.
#include "ttt/sequence/ttt/config.hpp"

#include <cmath>
#include <limits>

#include "ttt/inner/linear.hpp"
#include "ttt/inner/mlp.hpp"

namespace ttt {
namespace {

/// Token ids are 32 bits wide, and a product of two sizes is to fit into Index.
constexpr Index max_size = std::numeric_limits<std::int32_t>::max();

/// Elements that memory can address, 16 bytes each. Counted in double, which does not overflow.
constexpr double max_elements = 0x1p58;

void require_size(const char* field, Index value) {
  require<ConfigError>(1 <= value && value <= max_size, field, ": expected 1 ... ", max_size, ", found ", value);
}

void require_positive(const char* field, double value) {
  require<ConfigError>(std::isfinite(value) && value > 0, field, ": expected a finite number above 0, found ", value);
}

void require_not_negative(const char* field, double value) {
  require<ConfigError>(std::isfinite(value) && value >= 0, field, ": expected a finite number of at least 0, found ",
                       value);
}

void require_addressable(double elements) {
  require<ConfigError>(elements <= max_elements, "sizes: expected at most ", max_elements,
                       " numbers in memory, found about ", elements);
}

void require_token(const char* field, std::optional<std::int32_t> id, Index vocab_size) {
  if (!id) return;
  require<ConfigError>(0 <= *id && *id < vocab_size, field,
                       ": expected none, or 0 ... vocab_size - 1 = ", vocab_size - 1, ", found ", *id);
}

/// 8/3 hidden_size, rounded up to a multiple of 16; but the paper's largest model is a little wider than that.
Index default_intermediate_size(Index hidden_size) { return hidden_size == 2048 ? 5504 : (hidden_size + 5) / 6 * 16; }

/// Of one layer: five projections, inner weights of the MLP, convolutions, and the rows of one open mini-batch.
double layer_elements(const LayerConfig& c) {
  const auto C = static_cast<double>(c.hidden_size), D = static_cast<double>(c.head_dim());
  const auto b = static_cast<double>(c.mini_batch_size), k = static_cast<double>(c.conv_kernel);
  return 5 * C * C + 8 * C * D + 3 * k * C + 16 * b * C + b * b;
}

}  // namespace

void validate(const LayerConfig& config) {
  require_size("hidden_size", config.hidden_size);
  require_size("num_heads", config.num_heads);
  require<ConfigError>(config.hidden_size % config.num_heads == 0, "num_heads: expected a divisor of hidden_size (",
                       config.hidden_size, "), found ", config.num_heads);
  require<ConfigError>(config.head_dim() % 2 == 0,
                       "num_heads: expected an even head size hidden_size / num_heads, found ", config.hidden_size,
                       " / ", config.num_heads, " = ", config.head_dim());
  require_size("mini_batch_size", config.mini_batch_size);
  if (config.base_lr) require_not_negative("base_lr", *config.base_lr);
  require_positive("rope_theta", config.rope_theta);
  require_size("conv_kernel", config.conv_kernel);
  require_addressable(layer_elements(config));
}

const char* name(LayerType type) {
  switch (type) {
    case LayerType::linear:
      return "linear";
    case LayerType::mlp:
      return "mlp";
  }
  throw ConfigError("layer_type: expected linear or mlp, found number " + std::to_string(static_cast<int>(type)));
}

LayerConfig ModelConfig::layer() const {
  return {.hidden_size = hidden_size,
          .num_heads = num_heads,
          .mini_batch_size = mini_batch_size,
          .base_lr = base_lr,
          .rope_theta = rope_theta,
          .conv_kernel = conv_kernel,
          .share_qk = share_qk,
          .use_gate = use_gate,
          .ablation = ablation};
}

void validate(const ModelConfig& config) {
  validate(config.layer());
  name(config.layer_type);
  require_size("vocab_size", config.vocab_size);
  require_size("num_layers", config.num_layers);
  const Index intermediate_size = config.intermediate_size.value_or(default_intermediate_size(config.hidden_size));
  require_size("intermediate_size", intermediate_size);
  require_positive("rms_norm_eps", config.rms_norm_eps);
  require_not_negative("initializer_range", config.initializer_range);
  require_token("pad_token_id", config.pad_token_id, config.vocab_size);
  require_token("bos_token_id", config.bos_token_id, config.vocab_size);
  require_token("eos_token_id", config.eos_token_id, config.vocab_size);

  const auto C = static_cast<double>(config.hidden_size);
  const double feed_forward = 3 * C * static_cast<double>(intermediate_size);
  require_addressable(static_cast<double>(config.num_layers) * (layer_elements(config.layer()) + feed_forward) +
                      2 * C * static_cast<double>(config.vocab_size));
}

ModelConfig resolved(ModelConfig config) {
  validate(config);
  if (!config.base_lr) {
    config.base_lr =
        config.layer_type == LayerType::linear ? LinearModel<float>::default_base_lr : MlpModel<float>::default_base_lr;
  }
  if (!config.intermediate_size) config.intermediate_size = default_intermediate_size(config.hidden_size);
  return config;
}

}  // namespace ttt
