// SPDX-License-Identifier: MIT
// AdamW, its learning-rate schedules and clipping, with the recipe of the paper (appendix C) as defaults.
#pragma once

#include "ttt/model.hpp"

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

struct AdamWConfig {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // of every parameter
};

/// Sets all to 0.
template <class T>
TTT_EXPORT void set_zero(ModelParams<T>& params);

/// Square root of the sum of squares of all elements, added in double.
template <class T>
TTT_EXPORT double global_norm(const ModelParams<T>& gradient);

/// min(1, max_norm / (norm + 1e-6)): what clipping multiplies a gradient with.
TTT_EXPORT double clip_factor(double norm, double max_norm);

/// AdamW with decoupled weight decay and bias correction. Moments have the type of the parameters.
template <class T>
class AdamW {
 public:
  explicit AdamW(const BasicModel<T>& model, AdamWConfig config = {});

  /// One update with `gradient` times `gradient_factor`.
  void step(ModelParams<T>& params, const ModelParams<T>& gradient, double learning_rate, double gradient_factor = 1.0);

  AdamWConfig config;
  Index steps = 0;  // updates made
  ModelParams<T> exp_avg, exp_avg_sq;
};

extern template class TTT_EXPORT AdamW<float>;
extern template class TTT_EXPORT AdamW<double>;

}  // namespace ttt
