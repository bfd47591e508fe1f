// SPDX-License-Identifier: MIT
// What holds for every inner model, whatever it computes. To try a model of your own, instantiate the two suites with
// it: as in deep_test.cpp.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "support/layer_problem.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {

template <class M>
class InnerModelLaws : public testing::Test {
 protected:
  Rng rng{20240704};
};
TYPED_TEST_SUITE_P(InnerModelLaws);

// More tokens than the library works on at a time, in mini-batches of one token, of few, and of more than the 64 rows
// after which a sum is cut.
TYPED_TEST_P(InnerModelLaws, AnySplitGivesTheSameBits) {
  using T = typename TypeParam::Scalar;
  const Threads one(1);
  for (const Index mini_batch : {1, 7, 70}) {
    const TttConfig config = full_config(mini_batch);
    const Ttt<TypeParam> layer = random_layer<TypeParam>(config, this->rng);
    const Tensor<T, 3> x = normal<T, 3>({1, detail::rows_at_a_time + 20, config.hidden_size}, this->rng);
    TttState<TypeParam> whole = layer.start(1);
    const Tensor<T, 3> expected = forward_in_pieces(layer, x, whole, {x.extent(1)});
    for (const Cuts& cuts : all_cuts(x.extent(1), mini_batch, config.conv_kernel, this->rng)) {
      TttState<TypeParam> state = layer.start(1);
      const Tensor<T, 3> y = forward_in_pieces(layer, x, state, cuts);
      ASSERT_TRUE(same_bits(y, expected)) << "first piece " << cuts[0] << ", mini-batch " << mini_batch;
      ASSERT_TRUE(same_state(state, whole)) << "first piece " << cuts[0] << ", mini-batch " << mini_batch;
    }
  }
}

TYPED_TEST_P(InnerModelLaws, AnyCompanyGivesTheSameBits) {
  using T = typename TypeParam::Scalar;
  const TttConfig config = full_config();
  const Ttt<TypeParam> layer = random_layer<TypeParam>(config, this->rng);
  const Index batch = 3, time = 75, C = config.hidden_size;
  const Tensor<T, 3> x = normal<T, 3>({batch, time, C}, this->rng), dy = normal<T, 3>({batch, time, C}, this->rng);
  TttState<TypeParam> d_final = layer.zeros(batch);
  fill_state(d_final, 0.3, this->rng);
  // Streams that stand at different positions, so in the middle of different mini-batches.
  TttState<TypeParam> start = layer.start(batch);
  const auto alone = [](TttState<TypeParam>& state, Index i) {
    std::vector<TttStream<TypeParam>> one;
    one.push_back(state.streams[static_cast<std::size_t>(i)]);
    return TttState<TypeParam>(std::move(one));
  };
  for (Index i = 0; i < batch; ++i) {
    TttState<TypeParam> one = alone(start, i);
    forward_in_pieces(layer, normal<T, 3>({1, 4 * i, C}, this->rng), one, {4 * i});
    start.streams[static_cast<std::size_t>(i)] = std::move(one.streams[0]);
  }

  struct Result {
    Tensor<T, 3> y, dx;
    TttState<TypeParam> final, d_first;
    TttParams<TypeParam> d_params;
  };
  const auto run = [&](const Tensor<T, 3>& in, const Tensor<T, 3>& d_out, TttState<TypeParam> state,
                       TttState<TypeParam> d_state) {
    Result r{Tensor<T, 3>(in.shape()), Tensor<T, 3>(in.shape()), {}, {}, TttParams<TypeParam>::zeros(config)};
    Workspace work;
    TttTape<TypeParam> tape;
    layer.forward(in, state, tape, work, r.y);
    layer.backward(tape, d_out, d_state, work, r.dx, r.d_params);
    r.final = std::move(state);
    r.d_first = d_state.clone();
    layer.start_vjp(d_state, work, r.d_params);
    return r;
  };

  const Result together = run(x, dy, start.clone(), d_final.clone());
  for (const Index n : {2, 3, 7}) {
    const Threads with(n);
    const Result r = run(x, dy, start.clone(), d_final.clone());
    EXPECT_TRUE(same_bits(r.y, together.y)) << n << " threads";
    EXPECT_TRUE(same_bits(r.dx, together.dx)) << n << " threads";
    EXPECT_TRUE(same_state(r.final, together.final)) << n << " threads";
    EXPECT_TRUE(same_state(r.d_first, together.d_first)) << n << " threads";
    EXPECT_TRUE(same_bits(r.d_params, together.d_params)) << n << " threads";
  }
  const auto sequence = [&](const Tensor<T, 3>& all, Index i) {
    return copy_of(View<const T, 3>(all[i].data(), {1, time, C}));
  };
  for (Index i = 0; i < batch; ++i) {
    Result r = run(sequence(x, i), sequence(dy, i), alone(start, i), alone(d_final, i));
    EXPECT_TRUE(same_bits(r.y, sequence(together.y, i))) << "sequence " << i;
    EXPECT_TRUE(same_bits(r.dx, sequence(together.dx, i))) << "sequence " << i;
    EXPECT_TRUE(same_bits(r.final.streams[0], together.final.streams[static_cast<std::size_t>(i)])) << i;
    EXPECT_TRUE(same_bits(r.d_first.streams[0], together.d_first.streams[static_cast<std::size_t>(i)])) << i;
  }
}

TYPED_TEST_P(InnerModelLaws, TelemetryChangesNoBitAndIsCutLikeTheSequence) {
  using T = typename TypeParam::Scalar;
  const TttConfig config = full_config();
  const Ttt<TypeParam> layer = random_layer<TypeParam>(config, this->rng);
  const Index time = 40;
  const Tensor<T, 3> x = normal<T, 3>({2, time, config.hidden_size}, this->rng);
  TttState<TypeParam> plain = layer.start(2), measured = layer.start(2);
  const Tensor<T, 3> expected = forward_in_pieces(layer, x, plain, {time});
  Tensor<T, 3> y(x.shape());
  Workspace work;
  InnerLosses<T> whole;
  layer.forward(x, measured, work, y, {.losses = &whole});
  EXPECT_TRUE(same_bits(y, expected));
  EXPECT_TRUE(same_state(measured, plain));

  TttState<TypeParam> state = layer.start(2);
  Index t = 0;
  for (const Index n : {5, 1, 20, 14}) {
    InnerLosses<T> piece;
    layer.forward(time_piece(x.view(), t, n), state, work, time_piece(y.view(), t, n), {.losses = &piece});
    for (const auto part : {&InnerLosses<T>::initial, &InnerLosses<T>::before, &InnerLosses<T>::after}) {
      const View<const T, 3> all = whole.*part;
      for (Index i = 0; i < 2; ++i) {
        for (Index h = 0; h < config.num_heads; ++h) {
          ASSERT_EQ(0, std::memcmp(all[i][h].data() + t, (piece.*part)[i][h].data(),
                                   static_cast<std::size_t>(n) * sizeof(T)));
        }
      }
    }
    t += n;
  }
}

TYPED_TEST_P(InnerModelLaws, RateZeroKeepsTheInitialWeights) {
  using T = typename TypeParam::Scalar;
  const Ttt<TypeParam> layer = random_layer<TypeParam>(full_config(), this->rng);
  const Tensor<T, 3> x = normal<T, 3>({2, 40, 18}, this->rng);
  Tensor<T, 3> y(x.shape());
  TttState<TypeParam> state = layer.start(2);
  Workspace work;
  InnerLosses<T> losses;
  layer.forward(x, state, work, y, {.inner_lr = 0, .losses = &losses});
  for (const TttStream<TypeParam>& stream : state.streams) {
    for (std::size_t i = 0; i < TypeParam::depth; ++i) {
      EXPECT_TRUE(same_bits(stream.maps[i].W, layer.params().w0.maps[i].W));
      EXPECT_TRUE(same_bits(stream.maps[i].b, layer.params().w0.maps[i].b));
    }
  }
  EXPECT_TRUE(same_bits(losses.before, losses.initial));
  EXPECT_TRUE(same_bits(losses.after, losses.initial));
}

// A gradient step of size r lowers a loss by r |gradient|^2, less a term in r^2.
TYPED_TEST_P(InnerModelLaws, AStepLowersTheLossOfItsToken) {
  using T = typename TypeParam::Scalar;
  TttConfig config = full_config(1);
  const Ttt<TypeParam> layer = random_layer<TypeParam>(config, this->rng);
  const Tensor<T, 3> x = normal<T, 3>({1, 30, 18}, this->rng);
  Tensor<T, 3> y(x.shape());
  TttState<TypeParam> state = layer.start(1);
  Workspace work;
  InnerLosses<T> losses;
  layer.forward(x, state, work, y, {.inner_lr = 0.01, .losses = &losses});
  for (Index h = 0; h < config.num_heads; ++h) {
    for (Index t = 0; t < 30; ++t) EXPECT_LT(losses.after[0][h][t], losses.before[0][h][t]) << h << ", token " << t;
  }
}

REGISTER_TYPED_TEST_SUITE_P(InnerModelLaws, AnySplitGivesTheSameBits, AnyCompanyGivesTheSameBits,
                            TelemetryChangesNoBitAndIsCutLikeTheSequence, RateZeroKeepsTheInitialWeights,
                            AStepLowersTheLossOfItsToken);

/// For models of doubles: finite differences of floats say nothing.
template <class M>
class InnerModelGradients : public testing::Test {
 protected:
  const Threads one{1};  // the problems are small
  Rng rng{19700101};
};
TYPED_TEST_SUITE_P(InnerModelGradients);

TYPED_TEST_P(InnerModelGradients, AreFiniteDifferencesFromTheStart) {
  expect_gradients(LayerProblem<TypeParam>(full_config(), 2, 0, 24, this->rng), this->rng);
}

TYPED_TEST_P(InnerModelGradients, AreFiniteDifferencesInsideAMiniBatch) {
  for (const Index time : {2, 4, 17}) {  // up to the end of the mini-batch, to its middle, and over two more
    expect_gradients(LayerProblem<TypeParam>(full_config(), 2, 10, time, this->rng), this->rng);
  }
}

TYPED_TEST_P(InnerModelGradients, AreTheSameInPieces) {
  for (const Index prefix : {0, 10}) {
    LayerProblem<TypeParam> problem(full_config(), 2, prefix, 30, this->rng);
    auto whole = problem.gradients();
    for (const Cuts& cuts : {Cuts{14, 16}, Cuts{3, 27}, Cuts{10, 1, 19}, Cuts{1, 2, 27}, Cuts(30, 1)}) {
      auto pieces = problem.gradients_in_pieces(cuts);
      const std::vector<Variable> expected = problem.variables(whole), found = problem.variables(pieces);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        // Only the order of sums over up to 60 rows differs.
        const double tolerance = 1e-12 * (1 + std::sqrt(dot(expected[i].gradient, expected[i].gradient)));
        for (Index j = 0; j < expected[i].gradient.size(); ++j) {
          ASSERT_NEAR(found[i].gradient[j], expected[i].gradient[j], tolerance) << expected[i].name;
        }
      }
    }
  }
}

REGISTER_TYPED_TEST_SUITE_P(InnerModelGradients, AreFiniteDifferencesFromTheStart, AreFiniteDifferencesInsideAMiniBatch,
                            AreTheSameInPieces);

}  // namespace ttt::support
