// SPDX-License-Identifier: MIT
// The paper's recipe.
#include "ttt/train/recipe.hpp"

namespace ttt {

TrainerConfig paper_recipe(SequenceType type, Index steps) {
  TrainerConfig config;
  config.learning_rate.warmup_steps = steps / 10;
  config.learning_rate.decay_steps = steps;
  if (type == SequenceType::mlp) config.inner_warmup.steps = steps / 10;
  return config;
}

}  // namespace ttt
