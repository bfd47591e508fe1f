// SPDX-License-Identifier: MIT
// Which configurations a TTT layer can have.
#include "ttt/sequence/ttt/config.hpp"

#include "sequence/config_checks.hpp"

namespace ttt {

void validate(const TttConfig& config) {
  using namespace detail;
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

  // Five projections, inner weights of the MLP, convolutions, and the rows of one open mini-batch.
  const auto C = static_cast<double>(config.hidden_size), D = static_cast<double>(config.head_dim());
  const auto b = static_cast<double>(config.mini_batch_size), k = static_cast<double>(config.conv_kernel);
  require_addressable(5 * C * C + 8 * C * D + 3 * k * C + 16 * b * C + b * b);
}

}  // namespace ttt
