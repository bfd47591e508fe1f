// SPDX-License-Identifier: MIT
// Arithmetic of the schedules, the same on every platform.
#include "ttt/train/schedule.hpp"

#include <algorithm>

#include "base/math.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {

double WarmupCosine::operator()(Index step) const {
  const FloatEnvironment environment;
  if (step < warmup_steps) {
    return init_lr + (peak_lr - init_lr) * static_cast<double>(step) / static_cast<double>(warmup_steps);
  }
  const Index decay = decay_steps - warmup_steps;
  const double done =
      decay <= 0 ? 1.0 : std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(decay));
  constexpr double pi = 3.14159265358979323846;
  return end_lr + 0.5 * (peak_lr - end_lr) * (1.0 + math::cos(pi * done));
}

double InnerWarmup::operator()(Index step) const {
  const FloatEnvironment environment;
  if (step >= steps) return 1.0;
  return start + (1.0 - start) * static_cast<double>(step) / static_cast<double>(steps);
}

}  // namespace ttt
