// SPDX-License-Identifier: MIT
// What holds for every inner model, whatever it computes: the laws of sequence layers for a TTT layer with it, and
// those of learning while reading. Each throws Error where it is broken.
#pragma once

#include <cstring>

#include "ttt/sequence/ttt/ttt.hpp"
#include "ttt/testing/sequence_layer_laws.hpp"

namespace ttt::laws {

/// All switches on; no size divides another, but the hidden size.
inline TttConfig full_config(Index mini_batch_size = 7) {
  return {.hidden_size = 18,
          .num_heads = 3,
          .mini_batch_size = mini_batch_size,
          .base_lr = 3.0,
          .rope_theta = 100.0,
          .conv_kernel = 4,
          .share_qk = true,
          .use_gate = true};
}

/// Measuring inner losses changes no bit, and the losses are cut as the sequence is.
template <InnerModel M>
void measuring_changes_no_bit(Rng& rng) {
  using T = typename M::Scalar;
  const TttConfig config = full_config();
  const Ttt<M> layer = random_layer<sequence::Ttt<M>>(config, rng);
  const Index time = 40;
  const Tensor<T, 3> x = normal<T, 3>({2, time, config.hidden_size}, rng);
  TttState<M> plain = layer.start(2), measured = layer.start(2);
  const Tensor<T, 3> expected = forward_in_pieces(layer, x, plain, {time});
  Tensor<T, 3> y(x.shape());
  Workspace work;
  InnerLosses<T> whole;
  layer.forward(x, measured, work, y, {.losses = &whole});
  require_same_bits(y, expected, "outputs while losses are measured");
  require_same_bits(measured, plain, "state while losses are measured");

  TttState<M> state = layer.start(2);
  Index t = 0;
  for (const Index n : {5, 1, 20, 14}) {
    InnerLosses<T> piece;
    layer.forward(time_piece(x.view(), t, n), state, work, time_piece(y.view(), t, n), {.losses = &piece});
    for (const auto part : {&InnerLosses<T>::initial, &InnerLosses<T>::before, &InnerLosses<T>::after}) {
      for (Index i = 0; i < 2; ++i) {
        for (Index h = 0; h < config.num_heads; ++h) {
          const bool same = std::memcmp((whole.*part)[i][h].data() + t, (piece.*part)[i][h].data(),
                                        static_cast<std::size_t>(n) * sizeof(T)) == 0;
          require(same, "inner losses from token ", t, " on, sequence ", i, ", head ", h,
                  ": expected those of the whole sequence, found others");
        }
      }
    }
    t += n;
  }
}

/// At a rate of 0 the inner model stays what it was.
template <InnerModel M>
void rate_zero_keeps_the_initial_weights(Rng& rng) {
  using T = typename M::Scalar;
  const Ttt<M> layer = random_layer<sequence::Ttt<M>>(full_config(), rng);
  const Tensor<T, 3> x = normal<T, 3>({2, 40, 18}, rng);
  Tensor<T, 3> y(x.shape());
  TttState<M> state = layer.start(2);
  Workspace work;
  InnerLosses<T> losses;
  layer.forward(x, state, work, y, {.inner_lr = 0, .losses = &losses});
  for (const TttStream<M>& stream : state.streams) {
    for (std::size_t i = 0; i < M::depth; ++i) {
      require_same_bits(stream.maps[i].W, layer.params().w0.maps[i].W, "W", i + 1, " at rate 0");
      require_same_bits(stream.maps[i].b, layer.params().w0.maps[i].b, "b", i + 1, " at rate 0");
    }
  }
  require_same_bits(losses.before, losses.initial, "losses before a step at rate 0");
  require_same_bits(losses.after, losses.initial, "losses after a step at rate 0");
}

/// A gradient step of size r lowers the loss of its token by r |gradient|^2, less a term in r^2.
template <InnerModel M>
void a_step_lowers_the_loss_of_its_token(Rng& rng) {
  using T = typename M::Scalar;
  const Ttt<M> layer = random_layer<sequence::Ttt<M>>(full_config(1), rng);
  const Tensor<T, 3> x = normal<T, 3>({1, 30, 18}, rng);
  Tensor<T, 3> y(x.shape());
  TttState<M> state = layer.start(1);
  Workspace work;
  InnerLosses<T> losses;
  layer.forward(x, state, work, y, {.inner_lr = 0.01, .losses = &losses});
  for (Index h = 0; h < layer.config().num_heads; ++h) {
    for (Index t = 0; t < 30; ++t) {
      const T before = losses.before[0][h][t], after = losses.after[0][h][t];
      require(after < before, "inner loss of token ", t, " in head ", h, " after a step: expected less than ", before,
              ", found ", after);
    }
  }
}

/// All laws, at several sizes of the mini-batch: one token, a few, and more than the 64 rows of one piece of a sum.
template <InnerModel M>
void check_inner_model(Rng& rng) {
  using S = sequence::Ttt<M>;
  for (const Index mini_batch_size : {1, 7, 70}) {
    any_split_gives_the_same_bits<S>(full_config(mini_batch_size), mini_batch_size, rng);
  }
  any_batch_gives_the_same_bits<S>(full_config(), rng);
  any_lengths_give_the_same_bits<S>(full_config(), rng);
  a_reset_stream_is_a_fresh_one<S>(full_config(), rng);
  a_stream_takes_what_it_says<S>(full_config(), rng);
  if constexpr (std::is_same_v<typename M::Scalar, double>) {
    gradients_are_finite_differences<S>(full_config(), 10, rng);
    gradients_are_the_same_in_pieces<S>(full_config(), 10, rng);
  }
  measuring_changes_no_bit<M>(rng);
  rate_zero_keeps_the_initial_weights<M>(rng);
  a_step_lowers_the_loss_of_its_token<M>(rng);
}

}  // namespace ttt::laws
