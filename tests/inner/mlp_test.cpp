// SPDX-License-Identifier: MIT
// The laws of inner models, for TTT-MLP.
#include "inner/laws.hpp"

namespace ttt::support {

using Mlp = testing::Types<MlpModel<float>, MlpModel<double>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Mlp, InnerModelLaws, Mlp);
INSTANTIATE_TYPED_TEST_SUITE_P(Mlp, InnerModelGradients, testing::Types<MlpModel<double>>);

}  // namespace ttt::support
