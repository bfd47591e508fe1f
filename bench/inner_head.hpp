// SPDX-License-Identifier: MIT
// One head and the sequence that it reads, as the layer would hand them to the scan.
#pragma once

#include "ttt/inner/scan.hpp"
#include "ttt/sequence/ttt/stream.hpp"
#include "work.hpp"

namespace ttt::bench {

/// Everything stays in the second cache for head sizes up to 128.
inline constexpr Index head_time = 256;
inline constexpr Index mini_batch_size = 16;

/// Rates and scales are of the sizes that a fresh layer has.
template <InnerModel M>
struct Head {
  explicit Head(Index D)
      : Q({head_time, D}),
        K({head_time, D}),
        target({head_time, D}),
        out({head_time, D}),
        rate({head_time}),
        scale({head_time}),
        norm_weight({D}),
        norm_bias({D}),
        stream(TttStream<M>::zeros({.hidden_size = D, .num_heads = 1, .mini_batch_size = mini_batch_size})) {
    Rng rng(1);
    for (auto* rows : {&Q, &K, &target}) *rows = normal<float>(rows->shape(), rng);
    fill(rate.view(), static_cast<float>(M::default_base_lr) / 2 / static_cast<float>(D));
    for (Index t = 0; t < head_time; ++t) scale[t] = 1 / static_cast<float>(t % mini_batch_size + 1);
    fill(norm_weight.view(), 1);
    for (auto& map : stream.maps) fill_normal<float>({map.W.data(), {map.W.size()}}, 0.02, rng);
  }

  inner::Tokens<const float> sequence() const { return {Q, K, target, rate, scale}; }
  inner::HeadSettings<float> settings() const { return {{norm_weight.data(), norm_bias.data()}, true, 1.0f}; }
  /// One scan over the sequence.
  double flop() const { return real(head_time) * inner_flop<M>(Q.extent(1), mini_batch_size); }

  /// Bytes of one scan: queries, keys, targets and outputs, and in every mini-batch the weights, read and written.
  double bytes() const {
    const double mini_batches = real(head_time / mini_batch_size);
    return sizeof(float) * (4 * real(Q.size()) + 2 * mini_batches * inner_weights<M>(Q.extent(1)));
  }

  /// Goes on with the weights that the scan before left, as a stream does.
  template <class F>
  void scan(const F& observe) {
    inner::scan<M>(stream.head(0), 0, mini_batch_size, settings(), sequence(), out, scratch, observe);
  }
  void scan() {
    scan([](Index, const inner::MiniBatch<float>&, const inner::HeadState<M>&) {});
  }

  Tensor<float, 2> Q, K, target, out;       // [time, D]
  Tensor<float, 1> rate, scale;             // [time]
  Tensor<float, 1> norm_weight, norm_bias;  // [D]
  TttStream<M> stream;
  Workspace scratch;
};

}  // namespace ttt::bench
