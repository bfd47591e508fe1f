// SPDX-License-Identifier: MIT
// Token by token gives the bits of the whole sequence, and a state can be copied to try two continuations.
#include <algorithm>
#include <cstring>
#include <iostream>

#include "ttt/layer.hpp"

int main() {
  ttt::Rng rng(7);
  const ttt::TttMlp<float> layer({.hidden_size = 128, .num_heads = 2, .mini_batch_size = 16}, rng);
  const auto x = ttt::normal<float>({1, 50, 128}, rng);
  const auto whole = layer(x);

  auto state = layer.start(/*batch=*/1);
  ttt::Workspace work;  // scratch; grows on the first call, never after
  ttt::Tensor<float, 3> token({1, 1, 128});
  bool same = true;
  for (ttt::Index t = 0; t < 50; ++t) {
    std::copy_n(x[0][t].data(), 128, token.data());
    layer.forward(token, state, work, token);  // in place
    same = same && std::memcmp(token.data(), whole[0][t].data(), 128 * sizeof(float)) == 0;
    if (t == 24) {
      auto branch = state.clone();  // the hidden state is a set of weights, so copying it is a word
      std::cout << "branch at position " << branch.streams[0].position << '\n';
    }
  }
  std::cout << (same ? "streaming gave the same bits" : "streaming differs") << '\n';
  return same ? 0 : 1;
}

// Output:
// branch at position 25
// streaming gave the same bits
