// SPDX-License-Identifier: MIT
// Fresh values of convolutions.
#include "ttt/ops/conv.hpp"

#include <cmath>

namespace ttt {

template <class T>
void fill_uniform_taps(ConvParams<T>& conv, Rng& rng) {
  if (conv.weight.empty()) return;
  const FloatEnvironment environment;
  const double bound = 1.0 / std::sqrt(static_cast<double>(conv.weight.extent(2)));
  fill_uniform<T>({conv.weight.data(), {conv.weight.size()}}, -bound, bound, rng);
  fill_uniform<T>({conv.bias.data(), {conv.bias.size()}}, -bound, bound, rng);
}

template TTT_EXPORT void fill_uniform_taps(ConvParams<float>&, Rng&);
template TTT_EXPORT void fill_uniform_taps(ConvParams<double>&, Rng&);

}  // namespace ttt
