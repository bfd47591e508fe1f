// SPDX-License-Identifier: MIT
// Compiles the layers once for float and double, so that users need not and cannot compile them with other flags.
#include "ttt/sequence/ttt/ttt.hpp"

namespace ttt {

template class Layer<sequence::Ttt<inner::Linear<float>>>;
template class Layer<sequence::Ttt<inner::Linear<double>>>;
template class Layer<sequence::Ttt<inner::Mlp<float>>>;
template class Layer<sequence::Ttt<inner::Mlp<double>>>;

}  // namespace ttt
