// SPDX-License-Identifier: MIT
// Which configurations attention can have.
#include "ttt/sequence/attention/config.hpp"

#include "sequence/config_checks.hpp"

namespace ttt {

void validate(const AttentionConfig& config) {
  using namespace detail;
  require_size("hidden_size", config.hidden_size);
  require_size("num_heads", config.num_heads);
  if (config.head_dim) {
    require_size("head_dim", *config.head_dim);
  } else {
    require<ConfigError>(config.hidden_size % config.num_heads == 0, "num_heads: expected a divisor of hidden_size (",
                         config.hidden_size, ") where head_dim is not given, found ", config.num_heads);
  }
  const Index head_dim = config.head_dim.value_or(config.hidden_size / config.num_heads);
  require<ConfigError>(head_dim % 2 == 0, "head_dim: expected an even number, found ", head_dim);
  const Index groups = config.num_key_value_heads.value_or(config.num_heads);
  require_size("num_key_value_heads", groups);
  require<ConfigError>(config.num_heads % groups == 0, "num_key_value_heads: expected a divisor of num_heads (",
                       config.num_heads, "), found ", groups);
  require_positive("rope_theta", config.rope_theta);
  if (config.window) require_size("window", *config.window);
  // Four projections, and a page of keys and values.
  const auto C = static_cast<double>(config.hidden_size), D = static_cast<double>(head_dim);
  require_addressable(4 * C * static_cast<double>(config.num_heads) * D + 128 * static_cast<double>(groups) * D);
}

AttentionConfig resolved(AttentionConfig config) {
  validate(config);
  if (!config.num_key_value_heads) config.num_key_value_heads = config.num_heads;
  if (!config.head_dim) config.head_dim = config.hidden_size / config.num_heads;
  return config;
}

}  // namespace ttt
