// SPDX-License-Identifier: MIT
// The laws of sequence layers, for attention: grouped queries, heads of their own size, and a window.
#include <gtest/gtest.h>

#include "ttt/layer.hpp"
#include "ttt/testing/sequence_layer_laws.hpp"

namespace ttt {
namespace {

template <class T>
class AttentionLaws : public testing::Test {};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(AttentionLaws, Scalars);

TYPED_TEST(AttentionLaws, HoldForGroupedQueries) {
  Rng rng(1);
  const AttentionConfig config{.hidden_size = 18, .num_heads = 6, .num_key_value_heads = 2, .head_dim = 10};
  EXPECT_NO_THROW(laws::check_sequence_layer<sequence::Attention<TypeParam>>(config, 64, rng));
}

TYPED_TEST(AttentionLaws, HoldWithAWindow) {
  for (const Index window : {1, 5, 64, 100}) {
    Rng rng(2);
    const AttentionConfig config{.hidden_size = 16, .num_heads = 2, .rope_theta = 100.0, .window = window};
    EXPECT_NO_THROW(laws::check_sequence_layer<sequence::Attention<TypeParam>>(config, window, rng)) << window;
  }
}

}  // namespace
}  // namespace ttt
