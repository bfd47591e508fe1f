// SPDX-License-Identifier: MIT
// An inner model of your own, in Eigen: three layers with squared ReLU between them. Streaming, gradient steps,
// training and threads come with it.
#include <array>
#include <cstring>
#include <iostream>

#include "ttt/eigen.hpp"
#include "ttt/inner/chain.hpp"

struct ThreeLayers {
  using Scalar = float;
  static constexpr std::size_t depth = 3;
  static constexpr double default_base_lr = 0.1;
  static std::array<ttt::inner::AffineShape, depth> shapes(ttt::Index D) {
    return {{{D, 2 * D}, {2 * D, 2 * D}, {2 * D, D}}};
  }

  // phi(z) = max(z, 0)^2, phi' = 2 max(z, 0), phi'' = 2 where z > 0
  using In = ttt::View<const float>;
  using Out = ttt::View<float>;
  static auto relu(In z) { return ttt::map(z).array().max(0.f); }
  static void value(In z, Out y) { ttt::map(y) = relu(z).square(); }
  static void value_vjp(In z, In dy, Out dz) { ttt::map(dz).array() += ttt::map(dy).array() * 2.f * relu(z); }
  static void gradient(In z, In s, Out g) { ttt::map(g) = ttt::map(s).array() * 2.f * relu(z); }
  static void gradient_vjp(In z, In s, In dg, Out ds, Out dz) {
    ttt::map(ds) = ttt::map(dg).array() * 2.f * relu(z);
    ttt::map(dz).array() += (ttt::map(z).array() > 0.f).select(2.f * ttt::map(dg).array() * ttt::map(s).array(), 0.f);
  }
};

int main() {
  ttt::Rng rng(5);
  using Layer = ttt::Ttt<ttt::inner::Chain<ThreeLayers>>;
  Layer layer({.hidden_size = 64, .num_heads = 2, .mini_batch_size = 8}, rng);
  const auto x = ttt::normal<float>({1, 30, 64}, rng);
  // It streams: token by token gives the bits of the whole sequence.
  ttt::Tensor<float, 3> whole({1, 30, 64}), token({1, 1, 64}), dx({1, 30, 64});
  auto state = layer.start(1), end = layer.start(1);
  ttt::Workspace work;
  Layer::Tape tape;
  layer.forward(x, end, tape, work, whole);
  bool same = true;
  for (ttt::Index t = 0; t < 30; ++t) {
    ttt::copy<float, 1>(x[0][t], token[0][0]);
    layer.forward(token, state, work, token);
    same = same && std::memcmp(token.data(), whole[0][t].data(), 64 * sizeof(float)) == 0;
  }
  std::cout << (same ? "streaming gave the same bits\n" : "streaming differs\n");
  // And it trains: gradients of |y|^2 / 2.
  auto gradient = Layer::Params::zeros(layer.config());
  auto d_state = layer.zeros(1);
  layer.backward(tape, whole, d_state, work, dx, gradient);
  layer.start_vjp(d_state, work, gradient);
  const bool trained = ttt::map(gradient.w0.maps[1].W[0]).norm() > 0;
  std::cout << "the gradient of W2 is " << (trained ? "there" : "zero") << '\n';
  return same && trained ? 0 : 1;
}

// Output:
// streaming gave the same bits
// the gradient of W2 is there
