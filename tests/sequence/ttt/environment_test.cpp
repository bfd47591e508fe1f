// SPDX-License-Identifier: MIT
// A caller's rounding mode, or its mode of flushing denormals, changes no bit of a layer or a model and is left as it
// was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cfenv>
#include <cmath>
#include <limits>
#include <string>

#include "support/flush_denormals.hpp"
#include "support/laws.hpp"
#include "support/model_problem.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {
namespace {

template <class M>
struct Outcome {
  Tensor<typename M::Scalar, 3> y;
  TttState<M> state;
  typename TttProblem<M>::Gradients gradients;
};

// Inputs so small that intermediate values and gradients are denormal, beside others of size 1.
template <class M>
class LayerEnvironment : public testing::Test {
 protected:
  using T = typename M::Scalar;

  LayerEnvironment() {
    for (Index i = 0; i < problem.x.size(); i += 3) {
      problem.x.data()[i] *= std::numeric_limits<T>::min() * T(4);
      problem.dy.data()[i] *= std::numeric_limits<T>::min() * T(4);
    }
    for (T& weight : values(problem.layer.params().v_proj)) weight *= std::numeric_limits<T>::min();
  }

  Outcome<M> run() {
    Outcome<M> r{Tensor<T, 3>(problem.x.shape()), problem.start(), {}};
    Workspace work;
    problem.layer.forward(problem.x, r.state, work, r.y);
    r.gradients = problem.gradients();
    return r;
  }

  void expect_same(const Outcome<M>& found, const Outcome<M>& expected) {
    EXPECT_TRUE(same_bits(found.y, expected.y));
    EXPECT_TRUE(same_state(found.state, expected.state));
    EXPECT_TRUE(same_bits(found.gradients.x, expected.gradients.x));
    EXPECT_TRUE(same_bits(found.gradients.params, expected.gradients.params));
  }

  Rng rng{11};
  TttProblem<M> problem{full_config(), 2, 0, 30, rng};
};

using Models = testing::Types<inner::Linear<float>, inner::Linear<double>, inner::Mlp<float>, inner::Mlp<double>>;
TYPED_TEST_SUITE(LayerEnvironment, Models);

TYPED_TEST(LayerEnvironment, RoundingModesChangeNothing) {
  const auto expected = this->run();
  for (const int mode : {FE_TOWARDZERO, FE_UPWARD}) {
    for (const Index n : {1, 2}) {
      const Threads with(n);
      std::fesetround(mode);
      const auto found = this->run();
      const int after = std::fegetround();
      std::fesetround(FE_TONEAREST);
      EXPECT_EQ(after, mode);
      this->expect_same(found, expected);
    }
  }
}

/// call() while denormals are flushed, which the calling thread must still do afterwards.
template <class F>
auto flushing(const F& call) {
  flush_denormals(true);
  auto result = call();
  const bool still = flushes_denormals();
  flush_denormals(false);
  EXPECT_TRUE(still);
  return result;
}

TYPED_TEST(LayerEnvironment, FlushingDenormalsChangesNothing) {
  if (!can_flush_denormals) GTEST_SKIP();
  const auto expected = this->run();
  for (const Index n : {1, 2}) {
    const Threads with(n);
    this->expect_same(flushing([&] { return this->run(); }), expected);
  }
}

template <class Params>
bool has_denormals(const Params& params) {
  bool found = false;
  Params::visit(
      [&](const std::string&, const auto& t) {
        const auto all = values(t);
        found |= std::any_of(all.begin(), all.end(), [](auto x) { return std::fpclassify(x) == FP_SUBNORMAL; });
      },
      params);
  return found;
}

// Of a size whose loops are worth several threads, each of which has a mode of its own.
TEST(ModelEnvironment, FlushingDenormalsChangesNothing) {
  if (!can_flush_denormals) GTEST_SKIP();
  Rng rng(12);
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    ModelConfig config = small_model(type, true);
    config.vocab_size = 300;
    config.hidden_size = 96;
    config.intermediate_size = 256;
    Model model = random_model<float>(config, rng);
    for (BlockParams<float>& block : model.params().layers) {
      for (float& weight : values(block.gate_proj)) weight *= std::numeric_limits<float>::min();
    }
    const Tensor<Token, 2> tokens = random_tokens(2, 128, 300, rng), targets = random_tokens(2, 128, 300, rng);
    const auto run = [&] { return training_step<float>(model, tokens, targets, model.start(2), model.zeros(2)); };
    const Step<float> expected = run();
    EXPECT_TRUE(has_denormals(expected.gradient));
    for (const Index n : {1, 2, 3}) {
      const Threads with(n);
      const Step<float> found = flushing(run);
      EXPECT_EQ(found.loss, expected.loss) << n << " threads";
      EXPECT_TRUE(same_state(found.state, expected.state)) << n << " threads";
      EXPECT_TRUE(same_state(found.d_state, expected.d_state)) << n << " threads";
      EXPECT_TRUE(same_bits(found.gradient, expected.gradient)) << n << " threads";
    }
  }
}

}  // namespace
}  // namespace ttt::support
