// SPDX-License-Identifier: MIT
// A small language model learns to count in a language of its own, and is then asked to go on.
#include <iostream>
#include <string>

#include "ttt/generate.hpp"
#include "ttt/train.hpp"

int main() {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "one two three four ";

  ttt::Rng rng(3);
  ttt::Model model({.vocab_size = 256, .hidden_size = 64, .num_layers = 2, .num_heads = 2}, rng);
  std::cout << ttt::parameter_count(model.params()) << " parameters\n";

  ttt::TrainerConfig config = ttt::paper_recipe(ttt::SequenceType::linear, /*steps=*/150);
  config.batch_size = 4;
  config.learning_rate.peak_lr = 1e-2;
  ttt::Trainer<float> trainer(std::move(model), ttt::TextWindows(ttt::bytes(text), /*length=*/64, /*seed=*/1), config);
  double loss = 0;
  for (int step = 0; step < 150; ++step) loss = trainer.step().loss;
  std::cout << "loss " << (loss < 0.5 ? "below" : "above") << " 0.5 nats per byte\n";

  ttt::Generator generate(trainer.model(), {.temperature = 0}, {.ignore_eos = true});  // no byte ends a text
  generate.read(ttt::bytes("one two three "));
  std::string continued;
  while (continued.size() < 8) continued += static_cast<char>(*generate.next());
  std::cout << "one two three " << continued << '\n';
  return continued == "four one" ? 0 : 1;
}

// Output:
// 122084 parameters
// loss below 0.5 nats per byte
// one two three four one
