// SPDX-License-Identifier: MIT
// Compiles the layer once for float and double, so that users need not and cannot compile it with other flags.
#include "ttt/sequence/attention/attention.hpp"

namespace ttt {

template class Layer<sequence::Attention<float>>;
template class Layer<sequence::Attention<double>>;

}  // namespace ttt
