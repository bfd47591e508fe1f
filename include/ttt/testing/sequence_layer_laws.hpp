// SPDX-License-Identifier: MIT
// What holds for every sequence layer, whatever it computes. Each law throws Error where it is broken, so that any test
// framework can run it.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ttt/testing/difference.hpp"
#include "ttt/testing/layer_problem.hpp"

namespace ttt::laws {

/// All that a training step computes of one layer.
template <SequenceLayer S>
struct LayerStep {
  Tensor<typename S::Scalar, 3> y, dx;
  State<typename S::Stream> final, d_first;
  typename S::Params d_params;
};

template <SequenceLayer S>
LayerStep<S> layer_step(const Layer<S>& layer, const Tensor<typename S::Scalar, 3>& x,
                        const Tensor<typename S::Scalar, 3>& dy, State<typename S::Stream> state,
                        State<typename S::Stream> d_state, const std::vector<Index>& lengths = {}) {
  LayerStep<S> step{Tensor<typename S::Scalar, 3>(x.shape()),
                    Tensor<typename S::Scalar, 3>(x.shape()),
                    {},
                    {},
                    S::Params::zeros(layer.config())};
  Workspace work;
  LayerTape<S> tape;
  layer.forward(x, state, tape, work, step.y, {.lengths = lengths});
  layer.backward(tape, dy, d_state, work, step.dx, step.d_params);
  step.final = std::move(state);
  step.d_first = d_state.clone();
  layer.start_vjp(d_state, work, step.d_params);
  return step;
}

/// Stream i of a state as a state.
template <class Stream>
State<Stream> alone(const State<Stream>& state, Index i) {
  return State<Stream>({state.streams[static_cast<std::size_t>(i)]});
}

/// The first n tokens of sequence i.
template <class T>
Tensor<T, 3> sequence_of(const Tensor<T, 3>& all, Index i, Index n) {
  return copy_of(View<const T, 3>(all[i].data(), {1, n, all.extent(2)}));
}

/// A sequence gives the same bits however it is cut into calls: outputs and final state. `period` is a length that the
/// layer treats specially, such as its mini-batch; the sequence is longer than what the library works on at a time.
template <SequenceLayer S>
void any_split_gives_the_same_bits(const typename S::Config& config, Index period, Rng& rng) {
  using T = typename S::Scalar;
  const Threads one(1);
  const Layer<S> layer = random_layer<S>(config, rng);
  const Tensor<T, 3> x = normal<T, 3>({1, detail::rows_at_a_time + 20, layer.config().hidden_size}, rng);
  State<typename S::Stream> whole = layer.start(1);
  const Tensor<T, 3> expected = forward_in_pieces(layer, x, whole, {x.extent(1)});
  for (const Cuts& cuts : all_cuts(x.extent(1), period, 4, rng)) {
    State<typename S::Stream> state = layer.start(1);
    const Tensor<T, 3> y = forward_in_pieces(layer, x, state, cuts);
    require_same_bits(y, expected, "outputs of a sequence in pieces, the first of ", cuts[0]);
    require_same_bits(state, whole, "state after a sequence in pieces, the first of ", cuts[0]);
  }
}

/// Streams at different positions, as a state; the longest has read 4 * (batch - 1) tokens.
template <SequenceLayer S>
State<typename S::Stream> staggered_start(const Layer<S>& layer, Index batch, Rng& rng) {
  State<typename S::Stream> start = layer.start(batch);
  for (Index i = 1; i < batch; ++i) {
    State<typename S::Stream> one = alone(start, i);
    const Shape<3> shape{1, 4 * i, layer.config().hidden_size};
    forward_in_pieces(layer, normal<typename S::Scalar, 3>(shape, rng), one, {4 * i});
    start.streams[static_cast<std::size_t>(i)] = std::move(one.streams[0]);
  }
  return start;
}

/// A cotangent for the state that `x` leaves.
template <SequenceLayer S>
State<typename S::Stream> random_cotangent(const Layer<S>& layer, const Tensor<typename S::Scalar, 3>& x,
                                           const State<typename S::Stream>& start, Rng& rng,
                                           const std::vector<Index>& lengths = {}) {
  State<typename S::Stream> d_final = start.clone();
  Tensor<typename S::Scalar, 3> y(x.shape());
  Workspace work;
  layer.forward(x, d_final, work, y, {.lengths = lengths});
  fill_state(d_final, 0.3, rng);
  return d_final;
}

/// Whatever the batch, the number of threads and the instruction set: outputs, final states and gradients of the input
/// are those of each sequence alone, and the gradients of the parameters depend on the batch only.
template <SequenceLayer S>
void any_batch_gives_the_same_bits(const typename S::Config& config, Rng& rng) {
  using T = typename S::Scalar;
  const Layer<S> layer = random_layer<S>(config, rng);
  const Index batch = 3, time = 75, C = layer.config().hidden_size;
  const Tensor<T, 3> x = normal<T, 3>({batch, time, C}, rng), dy = normal<T, 3>({batch, time, C}, rng);
  const State<typename S::Stream> start = staggered_start(layer, batch, rng);
  const State<typename S::Stream> d_final = random_cotangent(layer, x, start, rng);

  const auto run = [&] { return layer_step(layer, x, dy, start.clone(), d_final.clone()); };
  const LayerStep<S> together = run();
  const auto compare = [&](const LayerStep<S>& found, const auto&... where) {
    require_same_bits(found.y, together.y, "outputs ", where...);
    require_same_bits(found.dx, together.dx, "gradient of the input ", where...);
    require_same_bits(found.final, together.final, "final state ", where...);
    require_same_bits(found.d_first, together.d_first, "gradient of the first state ", where...);
    require_same_bits(found.d_params, together.d_params, "gradient ", where...);
  };
  for (const Index n : {2, 3, 7}) {
    const Threads with(n);
    compare(run(), "on ", n, " threads");
  }
  const RestoredIsa before;
  for (const Isa isa : {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon}) {
    if (!supported(isa)) continue;
    set_isa(isa);
    compare(run(), "on ", name(isa));
  }
  for (Index i = 0; i < batch; ++i) {
    const LayerStep<S> one =
        layer_step(layer, sequence_of(x, i, time), sequence_of(dy, i, time), alone(start, i), alone(d_final, i));
    require_same_bits(one.y, sequence_of(together.y, i, time), "outputs of sequence ", i, " alone");
    require_same_bits(one.dx, sequence_of(together.dx, i, time), "gradient of the input of sequence ", i, " alone");
    require_same_bits(one.final, alone(together.final, i), "final state of sequence ", i, " alone");
    require_same_bits(one.d_first, alone(together.d_first, i), "gradient of the first state of sequence ", i, " alone");
  }
}

/// Streams of different lengths in one call: each gives the bits that it gives alone, tokens beyond its length change
/// nothing, and what stands there in the output stays.
template <SequenceLayer S>
void any_lengths_give_the_same_bits(const typename S::Config& config, Rng& rng) {
  using T = typename S::Scalar;
  const Layer<S> layer = random_layer<S>(config, rng);
  const Index time = 61, C = layer.config().hidden_size;
  const std::vector<Index> lengths{time, 0, 1, 40};
  const auto batch = static_cast<Index>(lengths.size());
  Tensor<T, 3> x = normal<T, 3>({batch, time, C}, rng), dy = normal<T, 3>({batch, time, C}, rng);
  const State<typename S::Stream> start = staggered_start(layer, batch, rng);
  for (Index i = 0; i < batch; ++i) {
    const Index length = lengths[static_cast<std::size_t>(i)];
    for (Tensor<T, 3>* padded : {&x, &dy}) {
      fill((*padded)[i].row_range(length, time - length), std::numeric_limits<T>::quiet_NaN());
    }
  }
  const State<typename S::Stream> d_final = random_cotangent(layer, x, start, rng, lengths);
  const LayerStep<S> together = layer_step(layer, x, dy, start.clone(), d_final.clone(), lengths);

  State<typename S::Stream> state = start.clone();
  Tensor<T, 3> y(x.shape());
  Workspace work;
  fill(y.view(), T(7));
  layer.forward(x, state, work, y, {.lengths = lengths});
  require_same_bits(state, together.final, "final states of streams of different lengths, without a tape");
  for (Index i = 0; i < batch; ++i) {
    const Index length = lengths[static_cast<std::size_t>(i)];
    for (Index t = length; t < time; ++t) {
      for (Index c = 0; c < C; ++c) {
        require(y[i][t][c] == T(7), "output beyond the length of stream ", i, ": expected it as it was, found ",
                y[i][t][c]);
      }
    }
    if (length == 0) {
      require_same_bits(alone(together.final, i), alone(start, i), "state of stream ", i, ", of length 0");
      require_same_bits(alone(together.d_first, i), alone(d_final, i), "cotangent of stream ", i, ", of length 0");
      continue;
    }
    const LayerStep<S> one =
        layer_step(layer, sequence_of(x, i, length), sequence_of(dy, i, length), alone(start, i), alone(d_final, i));
    require_same_bits(sequence_of(y, i, length), one.y, "outputs of stream ", i, " of ", length, " tokens");
    require_same_bits(sequence_of(together.y, i, length), one.y, "outputs with a tape of stream ", i);
    require_same_bits(sequence_of(together.dx, i, length), one.dx, "gradient of the input of stream ", i);
    require_same_bits(alone(together.final, i), one.final, "final state of stream ", i);
    require_same_bits(alone(together.d_first, i), one.d_first, "gradient of the first state of stream ", i);
  }
}

/// A stream that was put back to position 0 gives the bits of a fresh one.
template <SequenceLayer S>
void a_reset_stream_is_a_fresh_one(const typename S::Config& config, Rng& rng) {
  using T = typename S::Scalar;
  const Layer<S> layer = random_layer<S>(config, rng);
  const Tensor<T, 3> x = normal<T, 3>({1, 70, layer.config().hidden_size}, rng);
  State<typename S::Stream> fresh = layer.start(1), used = layer.start(1);
  forward_in_pieces(layer, normal<T, 3>({1, 150, layer.config().hidden_size}, rng), used, {150});
  layer.reset(used.streams[0]);
  require_same_bits(used, fresh, "state of a stream that was reset");
  const Tensor<T, 3> expected = forward_in_pieces(layer, x, fresh, {70});
  require_same_bits(forward_in_pieces(layer, x, used, {70}), expected, "outputs of a stream that was reset");
  require_same_bits(used, fresh, "state of a stream that was reset and read again");
}

/// A stream takes the memory that `state_bytes` says.
template <SequenceLayer S>
void a_stream_takes_what_it_says(const typename S::Config& config, Rng& rng) {
  using T = typename S::Scalar;
  const Layer<S> layer = random_layer<S>(config, rng);
  State<typename S::Stream> state = layer.start(1);
  for (const Index n : {1, 63, 1, 136}) {
    forward_in_pieces(layer, normal<T, 3>({1, n, layer.config().hidden_size}, rng), state, {n});
    Index bytes = 0;
    S::Stream::visit(detail::tensors_only([&](const auto&, const auto& t) {
                       bytes += t.size() * static_cast<Index>(sizeof(*t.data()));
                     }),
                     state.streams[0]);
    const Index said = S::state_bytes(layer.config(), state.streams[0].position);
    require(bytes == said, "bytes of a stream at position ", state.streams[0].position, ": expected ", said, ", found ",
            bytes);
  }
}

/// Gradients of everything agree with finite differences, from the layer's start and from the middle of a stream. For
/// layers of doubles: finite differences of floats say nothing.
template <SequenceLayer S>
void gradients_are_finite_differences(const typename S::Config& config, Index prefix, Rng& rng) {
  const Threads one(1);  // the problems are small
  check_gradients(LayerProblem<S>(config, 2, 0, 24, rng), rng);
  for (const Index time : {2, 4, 17}) check_gradients(LayerProblem<S>(config, 2, prefix, time, rng), rng);
}

/// Gradients that went back piece by piece are those of the whole, but for the order of sums over rows.
template <SequenceLayer S>
void gradients_are_the_same_in_pieces(const typename S::Config& config, Index from, Rng& rng) {
  const Threads one(1);
  for (const Index prefix : {Index{0}, from}) {
    LayerProblem<S> problem(config, 2, prefix, 30, rng);
    auto whole = problem.gradients();
    for (const Cuts& cuts : {Cuts{14, 16}, Cuts{3, 27}, Cuts{10, 1, 19}, Cuts{1, 2, 27}, Cuts(30, 1)}) {
      auto pieces = problem.gradients_in_pieces(cuts);
      const std::vector<Variable> expected = problem.variables(whole), found = problem.variables(pieces);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double tolerance = 1e-12 * (1 + std::sqrt(dot(expected[i].gradient, expected[i].gradient)));
        for (Index j = 0; j < expected[i].gradient.size(); ++j) {
          require(std::abs(found[i].gradient[j] - expected[i].gradient[j]) <= tolerance, "gradient of ",
                  expected[i].name, " in pieces, the first of ", cuts[0], ": expected ", expected[i].gradient[j],
                  ", found ", found[i].gradient[j]);
        }
      }
    }
  }
}

/// All laws. `period` as in any_split_gives_the_same_bits.
template <SequenceLayer S>
void check_sequence_layer(const typename S::Config& config, Index period, Rng& rng) {
  any_split_gives_the_same_bits<S>(config, period, rng);
  any_batch_gives_the_same_bits<S>(config, rng);
  any_lengths_give_the_same_bits<S>(config, rng);
  a_reset_stream_is_a_fresh_one<S>(config, rng);
  a_stream_takes_what_it_says<S>(config, rng);
  if constexpr (std::is_same_v<typename S::Scalar, double>) {
    gradients_are_finite_differences<S>(config, 10, rng);
    gradients_are_the_same_in_pieces<S>(config, 10, rng);
  }
}

}  // namespace ttt::laws
