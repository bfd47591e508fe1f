// SPDX-License-Identifier: MIT
// The laws of inner models, for TTT-Linear.
#include "inner/laws.hpp"

namespace ttt::support {

using Linear = testing::Types<LinearModel<float>, LinearModel<double>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Linear, InnerModelLaws, Linear);
INSTANTIATE_TYPED_TEST_SUITE_P(Linear, InnerModelGradients, testing::Types<LinearModel<double>>);

}  // namespace ttt::support
