// SPDX-License-Identifier: MIT
// Checks of a recipe, and the paper's.
#include "ttt/train/recipe.hpp"

#include <limits>

namespace ttt {

void validate(const TrainerConfig& config) {
  require<ConfigError>(config.batch_size >= 1 && config.micro_batches >= 1,
                       "expected a batch of at least 1 sequence and 1 micro-batch, found ", config.batch_size, " and ",
                       config.micro_batches);
  require<ConfigError>(config.micro_batches <= std::numeric_limits<Index>::max() / config.batch_size,
                       "expected less than 2^63 sequences of one update, found ", config.micro_batches,
                       " micro-batches of ", config.batch_size);
  const auto [rank, ranks] = config.shard;
  require<ConfigError>(ranks >= 1 && 0 <= rank && rank < ranks, "shard: expected a rank from 0 to below the number of ",
                       "ranks, found rank ", rank, " of ", ranks);
  require<ConfigError>(config.micro_batches % ranks == 0, "shard: expected a number of ranks that divides ",
                       config.micro_batches, " micro-batches, found ", ranks);
  require<ConfigError>(config.clip_norm > 0, "clip_norm: expected a number above 0, found ", config.clip_norm);
  detail::check_inner_lr(config.inner_lr);
}

TrainerConfig paper_recipe(SequenceType type, Index steps) {
  TrainerConfig config;
  config.learning_rate.warmup_steps = steps / 10;
  config.learning_rate.decay_steps = steps;
  if (type == SequenceType::mlp) config.inner_warmup.steps = steps / 10;
  return config;
}

}  // namespace ttt
