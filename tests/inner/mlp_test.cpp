// SPDX-License-Identifier: MIT
// The laws of inner models, for TTT-MLP.
#include "inner/laws.hpp"

namespace ttt::support {

using Mlp = testing::Types<inner::Mlp<float>, inner::Mlp<double>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Mlp, InnerModelLaws, Mlp);
INSTANTIATE_TYPED_TEST_SUITE_P(Mlp, InnerModelGradients, testing::Types<inner::Mlp<double>>);

}  // namespace ttt::support
