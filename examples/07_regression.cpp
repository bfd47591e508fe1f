// SPDX-License-Identifier: MIT
// Regression on real numbers: between two maps of your own, a layer learns to predict each signal while it reads it.
#include <cmath>
#include <cstdio>

#include "ttt/train.hpp"

constexpr ttt::Index length = 128, window = 8, width = 32;

struct Maps {
  ttt::Dense<float> in{ttt::Shape<2>{width, window}}, out{ttt::Shape<2>{1, width}};
  static void visit(auto f, auto&... s) {
    f("in.weight", s.in...);
    f("out.weight", s.out...);
  }
};

int main() {
  float signal[window + length];  // row t of x is signal[t] ... signal[t + window - 1]: the rows overlap
  const ttt::View<const float> x(signal, {length, window}, {1, 1}), next(signal + window, {length, 1});
  ttt::Tensor<float, 3> h({1, length, width}), dh = h, error({1, length, 1}), dx({1, length, window});
  for (const double inner_lr : {0.0, 1.0}) {
    ttt::Rng rng(1);
    ttt::TttLinear<float> layer({.hidden_size = width, .num_heads = 2, .mini_batch_size = 4}, rng);
    Maps maps;
    Maps::visit([&](auto, auto& W) { ttt::fill_normal(W, 0.2, rng); }, maps);
    ttt::AdamW layer_adam(layer.params());
    ttt::AdamW maps_adam(maps);
    ttt::TttLinear<float>::Tape tape;
    ttt::Workspace work;
    double squares[2] = {};  // mean over the first and the second half of a signal
    for (int step = 0; step < 4000; ++step) {
      const double a = 0.1 + 1.4 * rng.uniform(), b = 0.1 + 1.4 * rng.uniform(), start = 100 * rng.uniform();
      for (int t = 0; t < window + length; ++t) {  // in steps of 1/256, whatever the last bit of std::sin
        const double value = std::sin(a * (start + t)) + std::sin(b * (start + t)) + 0.05 * rng.normal();
        signal[t] = static_cast<float>(std::round(256 * value) / 256);
      }
      auto state = layer.start(/*batch=*/1), d_state = layer.zeros(/*batch=*/1);
      ttt::ops::project<float>(x, maps.in, h[0]);
      layer.forward(h, state, tape, work, h, {.inner_lr = inner_lr});
      ttt::ops::project<float>(h[0], maps.out, error[0]);
      ttt::ops::subtract<float>(error[0], next, error[0]);
      for (int t = 0; t < length && step >= 3000; ++t) squares[t / 64] += std::pow(error[0][t][0], 2) / 64000;
      auto d_layer = ttt::TttLinear<float>::Params::zeros(layer.config());
      Maps d_maps;
      ttt::fill<float>(dh[0], 0);
      ttt::ops::project_vjp<float>(h[0], maps.out, error[0], dh[0], d_maps.out);  // of |error|^2 / 2
      layer.backward(tape, dh, d_state, work, dh, d_layer);
      layer.start_vjp(d_state, work, d_layer);
      ttt::ops::project_vjp<float>(x, maps.in, dh[0], dx[0], d_maps.in);
      layer_adam.step(layer.params(), d_layer, /*learning_rate=*/0.001);
      maps_adam.step(maps, d_maps, 0.001);
    }
    std::printf("inner_lr %.0f: error %.2f, then %.2f\n", inner_lr, std::sqrt(squares[0]), std::sqrt(squares[1]));
  }
}

// Output:
// inner_lr 0: error 0.27, then 0.27
// inner_lr 1: error 0.19, then 0.15
