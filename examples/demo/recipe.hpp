// SPDX-License-Identifier: MIT
// Every size and rate of the demo: what can be learned in two minutes on two cores.
#pragma once

#include <iterator>

#include "ttt/train.hpp"

namespace demo {

using ttt::Index;

inline constexpr Index trained_length = 256;         // bytes of a sequence in training
inline constexpr Index batch_size = 4;               // sequences of one step
inline constexpr Index reach = 32 * trained_length;  // bytes of a held-out passage
inline constexpr Index most_passages = 32;
inline constexpr ttt::WeightFormat smaller_formats[] = {ttt::WeightFormat::bf16, ttt::WeightFormat::q8};
inline constexpr Index readings = 2 + std::ssize(smaller_formats);  // of all passages: by the model, its twin, these
inline constexpr Index sample_length = 500;
inline constexpr double temperature = 0.8;

/// A small model of bytes on the Transformer backbone: its TTT layers alone look back, so what the twin lacks is all
/// that they remember.
inline ttt::ModelConfig model_config(ttt::SequenceType layer) {
  return {.vocab_size = 256,
          .hidden_size = 128,
          .num_layers = 4,
          .num_heads = 4,
          .sequence_type = layer,
          .bos_token_id = {},
          .eos_token_id = {}};
}

/// The paper's recipe, with a rate for a model of this size.
inline ttt::TrainerConfig trainer_config(ttt::SequenceType layer, Index steps, double inner_lr) {
  ttt::TrainerConfig config = ttt::paper_recipe(layer, steps);
  config.batch_size = batch_size;
  config.learning_rate.peak_lr = 6e-3;
  config.inner_lr = inner_lr;
  return config;
}

}  // namespace demo
