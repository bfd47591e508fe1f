// SPDX-License-Identifier: MIT
// The small language model of the decode and train benchmarks.
#pragma once

#include "ttt/model.hpp"

namespace ttt::bench {

/// About three million parameters over bytes.
inline Model small_model(SequenceType type) {
  Rng rng(1);
  return Model({.vocab_size = 256, .hidden_size = 256, .num_layers = 4, .num_heads = 4, .sequence_type = type}, rng);
}

}  // namespace ttt::bench
