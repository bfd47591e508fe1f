// SPDX-License-Identifier: MIT
// Arithmetic over all parameters, compiled here so that no user's flags can change it.
#include "ttt/ops/parameters.hpp"

#include <cmath>

namespace ttt {

double detail::root_of_sum(std::span<const double> terms) {
  double sum = 0;
  for (const double term : terms) sum += term;
  return std::sqrt(sum);
}

}  // namespace ttt
