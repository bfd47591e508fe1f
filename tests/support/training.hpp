// SPDX-License-Identifier: MIT
// A text, a model and a recipe that are small enough to be trained in a test.
#pragma once

#include <string>
#include <vector>

#include "ttt/train.hpp"

namespace ttt::support {

inline std::vector<Token> sentence(int repeats) {
  std::vector<Token> text;
  Rng rng(5);
  for (int i = 0; i < repeats; ++i) {
    for (const char c : std::string("the cat sat on the mat and ")) text.push_back(c - ' ');
    text.push_back(static_cast<Token>(rng.below(96)));
  }
  return text;
}

template <class T>
BasicModel<T> fresh_model(SequenceType type, std::vector<SequenceConfig> blocks = {}) {
  Rng rng(2);
  return BasicModel<T>({.vocab_size = 96,
                        .hidden_size = 32,
                        .num_layers = 2,
                        .num_heads = 2,
                        .sequence_type = type,
                        .mini_batch_size = 8,
                        .share_qk = true,
                        .use_gate = true,
                        .pre_conv = true,
                        .blocks = std::move(blocks)},
                       rng);
}

inline TrainerConfig short_run(SequenceType type) {
  TrainerConfig config = paper_recipe(type, 20);
  config.batch_size = 3;
  config.learning_rate.peak_lr = 1e-2;
  return config;
}

}  // namespace ttt::support
