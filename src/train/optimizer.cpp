// SPDX-License-Identifier: MIT
// Clipping and AdamW's corrections.
#include "ttt/train/optimizer.hpp"

#include <cmath>

namespace ttt {

double clip_factor(double norm, double max_norm) {
  const FloatEnvironment environment;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

void validate(const AdamWConfig& config) {
  const auto fraction = [](const char* name, double value) {
    require<ConfigError>(value >= 0 && value < 1, name, ": expected a number of at least 0 and below 1, found ", value);
  };
  fraction("beta1", config.beta1);
  fraction("beta2", config.beta2);
  require<ConfigError>(std::isfinite(config.epsilon) && config.epsilon > 0,
                       "epsilon: expected a finite number above 0, found ", config.epsilon);
  require<ConfigError>(std::isfinite(config.weight_decay) && config.weight_decay >= 0,
                       "weight_decay: expected a finite number of at least 0, found ", config.weight_decay);
}

void detail::BetaPowers::advance(const AdamWConfig& config, Index n) {
  if (n < n_ || config.beta1 != beta1_ || config.beta2 != beta2_) {
    *this = {};
    beta1_ = config.beta1;
    beta2_ = config.beta2;
  }
  for (; n_ < n; ++n_) {
    const double next1 = power1_ * beta1_, next2 = power2_ * beta2_;
    if (next1 == power1_ && next2 == power2_) n_ = n - 1;  // as near to 0 as they come: all that follow are the same
    power1_ = next1;
    power2_ = next2;
  }
}

ops::AdamwStep detail::adamw_step(const AdamWConfig& config, const BetaPowers& powers, double learning_rate,
                                  double gradient_factor) {
  return {.rate = learning_rate,
          .beta1 = config.beta1,
          .beta2 = config.beta2,
          .epsilon = config.epsilon,
          .weight_decay = config.weight_decay,
          .correction1 = 1 - powers.power1(),
          .correction2 = 1 - powers.power2(),
          .gradient_factor = gradient_factor};
}

}  // namespace ttt
