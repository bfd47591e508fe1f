// SPDX-License-Identifier: MIT
// How a model is trained: sizes of batches, rates, clipping.
#pragma once

#include "ttt/sequence/any.hpp"
#include "ttt/train/optimizer.hpp"
#include "ttt/train/schedule.hpp"

namespace ttt {

/// Whose part of every update a process computes, where several train one model.
struct Shard {
  Index rank = 0;  // 0 ... ranks - 1
  Index ranks = 1;
};

/// Hyperparameters of a training run.
struct TrainerConfig {
  Index batch_size = 16;    // sequences of one micro-batch
  Index micro_batches = 1;  // micro-batches of one update, over all ranks: gradient accumulation
  Shard shard;
  WarmupCosine learning_rate;
  InnerWarmup inner_warmup;
  AdamWConfig adamw;
  double clip_norm = 1.0;
  double inner_lr = 1.0;  // multiplies the inner learning rate; 0 trains a model whose inner models stay frozen
};

/// Throws ConfigError.
TTT_EXPORT void validate(const TrainerConfig& config);

/// The paper's recipe for a run of `steps` updates: warm-up over the first tenth, for TTT-MLP of the inner rate as
/// well.
TTT_EXPORT TrainerConfig paper_recipe(SequenceType type, Index steps);

}  // namespace ttt
