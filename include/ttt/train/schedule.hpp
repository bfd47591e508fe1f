// SPDX-License-Identifier: MIT
// Learning rates by step, with the recipe of the paper (appendix C) as defaults.
#pragma once

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Linear warm-up from init_lr to peak_lr, then half a cosine down to end_lr. Both counts start at step 0.
struct WarmupCosine {
  double init_lr = 0.0;
  double peak_lr = 3e-3;
  double end_lr = 1e-5;
  Index warmup_steps = 480;
  Index decay_steps = 4800;  // warm-up included

  /// The rate of update number `step` = 0, 1, 2, ...
  TTT_EXPORT double operator()(Index step) const;
};

/// The inner learning rate's own warm-up, a factor on base_lr that grows linearly from `start` to 1. TTT-MLP is trained
/// with it (base_lr 0.1 from 0.01 on); `steps` = 0: none.
struct InnerWarmup {
  double start = 0.1;
  Index steps = 0;

  TTT_EXPORT double operator()(Index step) const;
};

}  // namespace ttt
