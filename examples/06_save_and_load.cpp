// SPDX-License-Identifier: MIT
// A model to disk and back, in the layout that Hugging Face and the official TTT code use.
#include <filesystem>
#include <iostream>

#include "ttt/checkpoint.hpp"

int main() {
  ttt::Rng rng(9);
  const ttt::Model model(
      {.vocab_size = 100, .hidden_size = 32, .num_layers = 2, .num_heads = 2, .layer_type = ttt::LayerType::mlp}, rng);
  const std::filesystem::path directory = std::filesystem::temp_directory_path() / "ttt-example-model";
  ttt::save(model, directory);  // replaces the directory as a whole, or not at all
  const ttt::Model loaded = ttt::load(directory);

  ttt::Tensor<ttt::Token, 2> tokens({1, 5});
  for (ttt::Index t = 0; t < 5; ++t) tokens[0][t] = static_cast<ttt::Token>(10 * t);
  const auto before = model(tokens), after = loaded(tokens);
  const bool same = std::equal(before.begin(), before.end(), after.begin());
  std::cout << (same ? "the loaded model gives the same logits" : "the loaded model differs") << '\n';

  // What is wrong with a file is said by name.
  std::filesystem::remove(directory / "config.json");
  try {
    ttt::load(directory);
  } catch (const ttt::CheckpointError& error) {
    std::cout << "refused: " << error.what() << '\n';
  }
  std::filesystem::remove_all(directory);
  return same ? 0 : 1;
}
