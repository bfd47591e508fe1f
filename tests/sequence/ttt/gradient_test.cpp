// SPDX-License-Identifier: MIT
// Gradients of the layer with every switch turned, at random sizes. With all on: see the laws of inner models.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {
namespace {

template <class M>
class LayerGradient : public testing::Test {
 protected:
  const Threads one{1};  // the problems are small
  Rng rng{7};

  void expect_both_ways(const TttConfig& config, Index batch, Index prefix, Index time, double inner_lr = 1.0) {
    for (const Index read_before : {Index{0}, prefix}) {
      TttProblem<M> problem(config, batch, read_before, time, rng);
      problem.inner_lr = inner_lr;
      EXPECT_NO_THROW(check_gradients(std::move(problem), rng));
    }
  }
};

using Models = testing::Types<inner::Linear<double>, inner::Mlp<double>>;
TYPED_TEST_SUITE(LayerGradient, Models);

TYPED_TEST(LayerGradient, WithoutAnyOnePart) {
  for (bool Parts::*part : {&Parts::inner_norm, &Parts::inner_residual, &Parts::inner_bias, &Parts::rotary,
                            &Parts::learned_rate, &Parts::token_scale, &Parts::learned_w0}) {
    TttConfig config = full_config(5);
    config.base_lr = 0.5;
    config.parts.*part = false;
    this->expect_both_ways(config, 1, 8, 13);
  }
}

TYPED_TEST(LayerGradient, OfTheTransformerBackbone) {
  this->expect_both_ways({.hidden_size = 12, .num_heads = 2, .mini_batch_size = 4}, 2, 6, 11);
}

TYPED_TEST(LayerGradient, AtOtherRates) {
  TttConfig config = full_config(4);
  this->expect_both_ways(config, 1, 6, 11, 0.4);
  this->expect_both_ways(config, 1, 6, 11, 0.0);
}

TYPED_TEST(LayerGradient, AtRandomSizes) {
  const auto between = [&](Index low, Index high) {
    return low + static_cast<Index>(this->rng.below(static_cast<std::uint64_t>(high - low + 1)));
  };
  for (int i = 0; i < 4; ++i) {
    const Index heads = between(1, 3);
    const TttConfig config{.hidden_size = heads * 2 * between(2, 5),
                           .num_heads = heads,
                           .mini_batch_size = between(1, 9),
                           .conv_kernel = between(1, 5),
                           .share_qk = between(0, 1) == 1,
                           .use_gate = between(0, 1) == 1};
    this->expect_both_ways(config, between(1, 3), between(1, 12), between(1, 25));
  }
}

TYPED_TEST(LayerGradient, IsAddedToWhatIsThere) {
  TttProblem<TypeParam> problem(full_config(), 2, 0, 20, this->rng);
  const auto once = problem.gradients();
  TttTape<TypeParam> tape;
  Workspace work;
  Tensor<double, 3> y(problem.x.shape()), dx(problem.x.shape());
  TttParams<TypeParam> sum = TttParams<TypeParam>::zeros(problem.layer.config());
  for (int pass = 0; pass < 2; ++pass) {
    TttState<TypeParam> state = problem.start(), d_state = problem.d_final.clone();
    problem.layer.forward(problem.x, state, tape, work, y);
    problem.layer.backward(tape, problem.dy, d_state, work, dx, sum);
    problem.layer.start_vjp(d_state, work, sum);
    EXPECT_TRUE(same_bits(dx, once.x));
  }
  TttParams<TypeParam>::visit(
      [](const std::string& name, const auto& of_two, const auto& of_one) {
        const auto twice = values(of_two), once_only = values(of_one);
        for (Index i = 0; i < once_only.size(); ++i) {
          ASSERT_NEAR(twice[i], 2 * once_only[i], 1e-12 * (1 + std::abs(once_only[i]))) << name;
        }
      },
      sum, once.params);
}

TYPED_TEST(LayerGradient, RefusesAnotherTape) {
  TttProblem<TypeParam> problem(full_config(), 2, 0, 6, this->rng);
  TttTape<TypeParam> tape;
  Workspace work;
  TttState<TypeParam> state = problem.start();
  Tensor<double, 3> y({2, 5, 18}), dx(problem.x.shape());
  TttParams<TypeParam> d = TttParams<TypeParam>::zeros(problem.layer.config());
  EXPECT_THROW(problem.layer.backward(tape, problem.dy, state, work, dx, d), ShapeError);
  problem.layer.forward(time_piece(problem.x.view(), 0, 5), state, tape, work, y);
  EXPECT_THROW(problem.layer.backward(tape, problem.dy, state, work, dx, d), ShapeError);
}

}  // namespace
}  // namespace ttt::support
