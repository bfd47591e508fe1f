// SPDX-License-Identifier: MIT
// The laws of inner models, for TTT-Linear.
#include "inner/laws.hpp"

namespace ttt::support {

using Linear = testing::Types<inner::Linear<float>, inner::Linear<double>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Linear, InnerModelLaws, Linear);
INSTANTIATE_TYPED_TEST_SUITE_P(Linear, InnerModelGradients, testing::Types<inner::Linear<double>>);

}  // namespace ttt::support
