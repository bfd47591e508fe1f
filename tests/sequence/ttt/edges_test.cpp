// SPDX-License-Identifier: MIT
// The edges of the public interface: what may lie on the same memory, what is refused, what a first call must reserve.
#include <gtest/gtest.h>

#include "support/same_bits.hpp"
#include "ttt/layer.hpp"
#include "ttt/model.hpp"

namespace ttt {
namespace {

using support::same_bits;

const TttConfig config{.hidden_size = 24, .num_heads = 2, .mini_batch_size = 5, .share_qk = true, .use_gate = true};

template <class L>
class LayerEdges : public ::testing::Test {};
using Layers = ::testing::Types<TttLinear<float>, TttMlp<double>>;
TYPED_TEST_SUITE(LayerEdges, Layers);

TYPED_TEST(LayerEdges, OutputsMayTakeThePlaceOfInputs) {
  using T = typename TypeParam::Scalar;
  Rng rng(1);
  const TypeParam layer(config, rng);
  const auto x = normal<T>({2, 13, 24}, rng), dy = normal<T>({2, 13, 24}, rng);
  Workspace work;
  typename TypeParam::Tape tape;
  const auto pass = [&](Tensor<T, 3>& in, Tensor<T, 3>& y, Tensor<T, 3>& d_out, Tensor<T, 3>& dx) {
    auto state = layer.start(2), d_state = layer.zeros(2);
    auto gradient = TttParams<typename TypeParam::Sequence::Inner>::zeros(config);
    layer.forward(in, state, tape, work, y);
    layer.backward(tape, d_out, d_state, work, dx, gradient);
    return gradient;
  };
  Tensor<T, 3> x1 = x, y1(x.shape()), dy1 = dy, dx1(x.shape());
  const auto apart = pass(x1, y1, dy1, dx1);
  Tensor<T, 3> x2 = x, dy2 = dy;
  const auto in_place = pass(x2, x2, dy2, dy2);
  EXPECT_TRUE(same_bits(y1, x2));
  EXPECT_TRUE(same_bits(dx1, dy2));
  EXPECT_TRUE(same_bits(apart, in_place));
}

TYPED_TEST(LayerEdges, BackwardRefusesWhatDoesNotBelongToTheTape) {
  using T = typename TypeParam::Scalar;
  Rng rng(1);
  const TypeParam layer(config, rng);
  auto state = layer.start(2), d_state = layer.zeros(2), other_batch = layer.zeros(4);
  auto gradient = TttParams<typename TypeParam::Sequence::Inner>::zeros(config);
  Workspace work;
  typename TypeParam::Tape tape, empty;
  Tensor<T, 3> y({2, 8, 24}), other({4, 4, 24});
  layer.forward(normal<T>({2, 8, 24}, rng), state, tape, work, y);
  EXPECT_THROW(layer.backward(empty, y, d_state, work, y, gradient), ShapeError);
  EXPECT_THROW(layer.backward(tape, other, other_batch, work, other, gradient), ShapeError);
  TttParams<typename TypeParam::Sequence::Inner> nothing;
  EXPECT_THROW(layer.backward(tape, y, d_state, work, y, nothing), ShapeError);
  EXPECT_THROW(layer.start_vjp(d_state, work, nothing), ShapeError);
}

TYPED_TEST(LayerEdges, AStreamThatWasMovedOutIsRefused) {
  using T = typename TypeParam::Scalar;
  Rng rng(1);
  const TypeParam layer(config, rng);
  auto state = layer.start(1);
  const TttStream<typename TypeParam::Sequence::Inner> taken = std::move(state.streams[0]);
  Workspace work;
  Tensor<T, 3> x({1, 1, 24});
  EXPECT_THROW(layer.forward(x, state, work, x), ShapeError);
  EXPECT_THROW(layer.reset(state.streams[0]), ShapeError);
  EXPECT_EQ(taken.position, 0);
}

TYPED_TEST(LayerEdges, TheFirstCallReservesForEveryPlaceInAMiniBatch) {
  using T = typename TypeParam::Scalar;
  for (const Index time : {1, 10}) {
    Rng rng(1);
    TttConfig wide = config;
    wide.mini_batch_size = 40;
    const TypeParam layer(wide, rng);
    auto state = layer.start(1);
    Workspace work;
    Tensor<T, 3> x = normal<T>({1, time, 24}, rng);
    layer.forward(x, state, work, x);
    const Index bytes = work.bytes();
    for (int call = 0; call < 90; ++call) layer.forward(x, state, work, x);
    EXPECT_EQ(work.bytes(), bytes);
  }
}

TYPED_TEST(LayerEdges, ATapeSaysWhatInnerWeightsTake) {
  using T = typename TypeParam::Scalar;
  using M = typename TypeParam::Sequence::Inner;
  Rng rng(1);
  const TypeParam layer(config, rng);
  TttTape<M> tape;
  EXPECT_EQ(tape.record().inner_weight_bytes(), 0);
  auto state = layer.start(2);
  Workspace work;
  Tensor<T, 3> x({2, 1, 24});
  layer.forward(x, state, tape, work, x);
  // One mini-batch: the weights before it, in every head of both streams.
  Index numbers = 0;
  for (const auto& map : state.streams[0].maps) numbers += map.W.size() + map.b.size();
  EXPECT_EQ(tape.record().inner_weight_bytes(), 2 * numbers * Index(sizeof(T)));
  EXPECT_LT(tape.record().inner_weight_bytes(), tape.bytes());
}

TYPED_TEST(LayerEdges, AnInnerRateThatIsNoRateIsRefused) {
  using T = typename TypeParam::Scalar;
  Rng rng(1);
  const TypeParam layer(config, rng);
  auto state = layer.start(1);
  Workspace work;
  Tensor<T, 3> x({1, 1, 24});
  for (const double rate : {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    EXPECT_THROW(layer.forward(x, state, work, x, {.inner_lr = rate}), ConfigError);
  }
  EXPECT_EQ(state.streams[0].position, 0);
}

TEST(ModelEdges, BackwardRefusesWhatDoesNotBelongToTheTape) {
  Rng rng(1);
  const Model model({.vocab_size = 9, .hidden_size = 8, .num_layers = 1, .num_heads = 2}, rng);
  auto state = model.start(2), d_state = model.zeros(2), other_batch = model.zeros(1);
  auto gradient = ModelParams<float>::zeros(model.config());
  ModelParams<float> nothing;
  Workspace work;
  Model::Tape tape, empty;
  const Tensor<Token, 2> tokens({2, 6});
  EXPECT_THROW(model.forward_loss(tokens, tokens, state, tape, work, nothing), ShapeError);
  model.forward_loss(tokens, tokens, state, tape, work, gradient);
  EXPECT_THROW(model.backward(empty, d_state, work, gradient), ShapeError);
  EXPECT_THROW(model.backward(tape, other_batch, work, gradient), ShapeError);
  EXPECT_THROW(model.backward(tape, d_state, work, nothing), ShapeError);
  EXPECT_THROW(model.start_vjp(d_state, work, nothing), ShapeError);
}

/// Maps that do not fit together.
struct Misfit : inner::Linear<float> {
  static std::array<inner::AffineShape, 1> shapes(Index head_dim) { return {{{head_dim, head_dim + 1}}}; }
};

TEST(ModelEdges, AnInnerModelWhoseMapsDoNotFitIsRefused) {
  Rng rng(1);
  EXPECT_THROW(detail::check_inner_model<Misfit>(8), ConfigError);
  EXPECT_NO_THROW(detail::check_inner_model<inner::Linear<float>>(8));
}

}  // namespace
}  // namespace ttt
