// SPDX-License-Identifier: MIT
// Arithmetic over all parameters, compiled here so that no user's flags can change it, and checks of each.
#include "ttt/ops/parameters.hpp"

#include <algorithm>
#include <cmath>

namespace ttt {

double detail::root_of_sum(std::span<const double> terms) {
  double sum = 0;
  for (const double term : terms) sum += term;
  return std::sqrt(sum);
}

void detail::check_shape(const char* what, const Name& name, std::span<const Index> expected,
                         std::span<const Index> found) {
  require<ShapeError>(std::equal(expected.begin(), expected.end(), found.begin(), found.end()), what, ": expected ",
                      name, " of shape ", text(expected), ", found ", text(found));
}

void detail::check_full(const char* what, const Name& name, WeightFormat format) {
  require<Error>(format == WeightFormat::full, what, ": expected ", name, " in full precision, found ",
                 ttt::name(format));
}

}  // namespace ttt
