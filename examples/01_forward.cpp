// SPDX-License-Identifier: MIT
// A sequence through a TTT-Linear layer: the layer learns while it reads.
#include <iostream>

#include "ttt/layer.hpp"

int main() {
  ttt::Rng rng(42);
  const ttt::TttLinear<float> layer({.hidden_size = 256, .num_heads = 4, .mini_batch_size = 16}, rng);
  const auto x = ttt::normal<float>({2, 100, 256}, rng);  // [batch, time, hidden_size]

  // One call: fresh hidden state, any length.
  const ttt::Tensor<float, 3> y = layer(x);
  std::cout << "output " << ttt::to_string(y.shape()) << '\n';

  // The same with everything in hand: a state to go on from, scratch memory, and the inner losses.
  auto state = layer.start(/*batch=*/2);
  ttt::Workspace work;
  ttt::Tensor<float, 3> out(x.shape());
  ttt::InnerLosses<float> losses;
  layer.forward(x, state, work, out, {.losses = &losses});
  ttt::Index improved = 0;
  for (ttt::Index i = 0; i < losses.before.size(); ++i) improved += losses.after.data()[i] < losses.before.data()[i];
  std::cout << "the gradient step lowered the inner loss of " << improved << " of " << losses.before.size()
            << " tokens and heads\n";
}

// Output:
// output [2, 100, 256]
// the gradient step lowered the inner loss of 800 of 800 tokens and heads
