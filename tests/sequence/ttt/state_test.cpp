// SPDX-License-Identifier: MIT
// What callers do with streams: clone, reset, move between batches; and what a layer refuses.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {
namespace {

template <class M>
class LayerStates : public testing::Test {
 protected:
  using Scalar = typename M::Scalar;

  Rng rng{5};
  Ttt<M> layer = random_ttt<M>(full_config(), rng);

  Tensor<Scalar, 3> tokens(Index batch, Index time) { return normal<Scalar, 3>({batch, time, 18}, rng); }
  Tensor<Scalar, 3> forward(const Tensor<Scalar, 3>& x, TttState<M>& state) {
    return forward_in_pieces(layer, x, state, {x.extent(1)});
  }
};

using Models = testing::Types<inner::Linear<float>, inner::Linear<double>, inner::Mlp<float>, inner::Mlp<double>>;
TYPED_TEST_SUITE(LayerStates, Models);

TYPED_TEST(LayerStates, ACloneGoesItsOwnWay) {
  auto state = this->layer.start(2);
  this->forward(this->tokens(2, 10), state);
  const auto branch = state.clone();
  auto copy = state.clone();
  const auto x = this->tokens(2, 9);
  const auto y = this->forward(x, state);
  EXPECT_TRUE(same_state(branch, copy));
  EXPECT_FALSE(same_state(branch, state));
  EXPECT_TRUE(same_bits(this->forward(x, copy), y));
  EXPECT_TRUE(same_state(copy, state));
}

TYPED_TEST(LayerStates, AResetStreamIsAFreshOne) {
  auto state = this->layer.start(2);
  this->forward(this->tokens(2, 10), state);
  this->layer.reset(state.streams[1]);
  const auto fresh = this->layer.start(1);
  EXPECT_TRUE(same_bits(state.streams[1], fresh.streams[0]));
  EXPECT_EQ(state.streams[0].position, 10);
}

TYPED_TEST(LayerStates, StreamsMoveBetweenBatches) {
  auto one = this->layer.start(2), other = this->layer.start(1);
  const auto x = this->tokens(2, 10), z = this->tokens(1, 4), next = this->tokens(1, 6);
  this->forward(x, one);
  this->forward(z, other);
  auto alone = one.clone();
  alone.streams.erase(alone.streams.begin());
  const auto expected = this->forward(next, alone);

  std::swap(one.streams[1], other.streams[0]);
  const auto y = this->forward(next, other);
  EXPECT_TRUE(same_bits(y, expected));
  EXPECT_TRUE(same_bits(other.streams[0], alone.streams[0]));
  EXPECT_EQ(one.streams[1].position, 4);
}

TYPED_TEST(LayerStates, OneCallIsAFreshState) {
  const auto x = this->tokens(2, 30);
  auto state = this->layer.start(2);
  EXPECT_TRUE(same_bits(this->layer(x), this->forward(x, state)));
}

TYPED_TEST(LayerStates, NothingIsReadFromNothing) {
  Workspace work;
  for (const Shape<3>& shape : {Shape<3>{0, 5, 18}, Shape<3>{2, 0, 18}}) {
    Tensor<typename TypeParam::Scalar, 3> x(shape), y(shape);
    InnerLosses<typename TypeParam::Scalar> losses;
    auto state = this->layer.start(shape[0]);
    this->layer.forward(x, state, work, y, {.losses = &losses});
    EXPECT_TRUE(same_state(state, this->layer.start(shape[0])));
    EXPECT_EQ(losses.initial.shape(), (Shape<3>{shape[0], 3, shape[1]}));
    EXPECT_TRUE(this->layer(x).empty());
  }
}

TYPED_TEST(LayerStates, WrongShapesAreNamedAndChangeNothing) {
  using T = typename TypeParam::Scalar;
  auto state = this->layer.start(2);
  this->forward(this->tokens(2, 10), state);
  const auto before = state.clone();
  Workspace work;
  const auto refused = [&](const Shape<3>& in, const Shape<3>& out, const std::vector<std::string>& numbers) {
    const Tensor<T, 3> x(in);
    Tensor<T, 3> y(out);
    TttTape<TypeParam> tape;
    for (const std::function<void()>& call :
         {std::function<void()>([&] { this->layer.forward(x, state, work, y); }),
          std::function<void()>([&] { this->layer.forward(x, state, tape, work, y); })}) {
      try {
        call();
        ADD_FAILURE() << to_string(in) << " -> " << to_string(out) << " was accepted";
      } catch (const ShapeError& e) {
        for (const std::string& number : numbers) {
          EXPECT_NE(std::string(e.what()).find(number), std::string::npos) << e.what();
        }
      }
    }
    EXPECT_TRUE(same_state(state, before));
  };
  refused({2, 3, 17}, {2, 3, 17}, {"18", "[2, 3, 17]"});
  refused({3, 3, 18}, {3, 3, 18}, {"2", "[3, 3, 18]"});
  refused({2, 3, 18}, {2, 4, 18}, {"[2, 3, 18]", "[2, 4, 18]"});
}

TYPED_TEST(LayerStates, AStateOfAnotherLayerIsRefused) {
  using T = typename TypeParam::Scalar;
  std::vector<TttConfig> others(4, full_config());
  others[0].mini_batch_size = 8;
  others[1].num_heads = 1;
  others[2].share_qk = false;
  others[3].conv_kernel = 3;
  const Tensor<T, 3> x = this->tokens(1, 2);
  Tensor<T, 3> y(x.shape());
  Workspace work;
  for (const TttConfig& config : others) {
    auto state = random_ttt<TypeParam>(config, this->rng).start(1);
    EXPECT_THROW(this->layer.forward(x, state, work, y), ShapeError);
  }
}

TYPED_TEST(LayerStates, ParametersOfAnotherLayerAreRefused) {
  TttConfig other = full_config();
  other.mini_batch_size = 8;
  try {
    const Ttt<TypeParam> made(full_config(), TttParams<TypeParam>::zeros(other));
    FAIL();
  } catch (const ShapeError& e) {
    EXPECT_NE(std::string(e.what()).find("learnable_token_idx of shape [7], found [8]"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace ttt::support
