// SPDX-License-Identifier: MIT
// A model to disk and back, in the layout that Hugging Face and the official TTT code use.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "ttt/checkpoint.hpp"

int main() {
  ttt::Rng rng(9);
  const ttt::Model model(
      {.vocab_size = 100, .hidden_size = 32, .num_layers = 2, .num_heads = 2, .sequence_type = ttt::SequenceType::mlp},
      rng);
  const std::filesystem::path directory = "ttt-example-model";  // in the working directory
  ttt::save(model, directory);                                  // replaces the directory as a whole, or not at all
  const ttt::Model loaded = ttt::load(directory);

  ttt::Tensor<ttt::Token, 2> tokens({1, 5});
  for (ttt::Index t = 0; t < 5; ++t) tokens[0][t] = static_cast<ttt::Token>(10 * t);
  const auto before = model(tokens), after = loaded(tokens);
  const bool same = std::equal(before.begin(), before.end(), after.begin());
  std::cout << (same ? "the loaded model gives the same logits" : "the loaded model differs") << '\n';

  // What is wrong with a file is said by name.
  std::filesystem::remove(directory / "model.safetensors");
  bool refused = false;
  try {
    ttt::load(directory);
  } catch (const ttt::CheckpointError& error) {
    refused = true;
    std::cout << "refused: " << error.what() << '\n';
  }
  std::filesystem::remove_all(directory);
  return same && refused ? 0 : 1;
}

// Output:
// the loaded model gives the same logits
// refused: ttt-example-model: expected model.safetensors or model.safetensors.index.json, found neither
