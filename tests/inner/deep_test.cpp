// SPDX-License-Identifier: MIT
// The laws of inner models, for one that a user wrote.
#include "inner/laws.hpp"
#include "support/deep_model.hpp"

namespace ttt::support {

using Deep = testing::Types<DeepModel<float>, DeepModel<double>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Deep, InnerModelLaws, Deep);
INSTANTIATE_TYPED_TEST_SUITE_P(Deep, InnerModelGradients, testing::Types<DeepModel<double>>);

}  // namespace ttt::support
