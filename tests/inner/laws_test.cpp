// SPDX-License-Identifier: MIT
// The laws of inner models: for TTT-Linear, TTT-MLP, a chain, and a model that a user wrote.
#include <gtest/gtest.h>

#include "support/deep_model.hpp"
#include "ttt/inner/chain.hpp"
#include "ttt/testing/inner_model_laws.hpp"

namespace ttt {
namespace {

template <class M>
class InnerModelLaws : public testing::Test {};

using Models = testing::Types<inner::Linear<float>, inner::Linear<double>, inner::Mlp<float>, inner::Mlp<double>,
                              support::DeepModel<float>, support::DeepModel<double>>;
TYPED_TEST_SUITE(InnerModelLaws, Models);

TYPED_TEST(InnerModelLaws, Hold) {
  Rng rng(20240704);
  EXPECT_NO_THROW(laws::check_inner_model<TypeParam>(rng));
}

}  // namespace
}  // namespace ttt
