// SPDX-License-Identifier: MIT
// Compiles the templates once for float and double, so that users need not and cannot compile them with other flags.
#include "ttt/sequence/ttt/layer.hpp"

namespace ttt {

template class Layer<LinearModel<float>>;
template class Layer<LinearModel<double>>;
template class Layer<MlpModel<float>>;
template class Layer<MlpModel<double>>;

}  // namespace ttt
