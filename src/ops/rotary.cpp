// SPDX-License-Identifier: MIT
// The rotary table, in double and by the library's own sine, cosine and power.
#include "ttt/ops/rotary.hpp"

#include "base/math.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {

template <class T>
Tensor<T, 2> rotary_table(Index positions, Index head_dim, double theta) {
  const FloatEnvironment environment;
  Tensor<T, 2> table({positions, 2 * head_dim});
  for (Index p = 0; p < positions; ++p) {
    for (Index m = 0; m < head_dim / 2; ++m) {
      const double omega = math::pow(theta, -2.0 * static_cast<double>(m) / static_cast<double>(head_dim));
      const double angle = static_cast<double>(p) * omega;
      const T cosine = static_cast<T>(math::cos(angle)), sine = static_cast<T>(math::sin(angle));
      table[p][2 * m] = cosine;
      table[p][2 * m + 1] = cosine;
      table[p][head_dim + 2 * m] = -sine;
      table[p][head_dim + 2 * m + 1] = sine;
    }
  }
  return table;
}

template TTT_EXPORT Tensor<float, 2> rotary_table(Index, Index, double);
template TTT_EXPORT Tensor<double, 2> rotary_table(Index, Index, double);

}  // namespace ttt
