// SPDX-License-Identifier: MIT
// Rotary tables, in double and by the library's own sine, cosine and power.
#include "ttt/ops/rotary.hpp"

#include "base/math.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt::ops {

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

namespace {

/// Positions whose angles are one sum: that of the page's first position and one from a table.
constexpr Index page = 64;

}  // namespace

template <class T>
AbsoluteRotary<T>::AbsoluteRotary(Index head_dim, double theta) : omega_({head_dim / 2}), within_({page, head_dim}) {
  const FloatEnvironment environment;
  const Index half = head_dim / 2;
  for (Index m = 0; m < half; ++m) {
    omega_[m] = math::pow(theta, -2.0 * static_cast<double>(m) / static_cast<double>(head_dim));
    for (Index p = 0; p < page; ++p) {
      within_[p][m] = math::cos(static_cast<double>(p) * omega_[m]);
      within_[p][half + m] = math::sin(static_cast<double>(p) * omega_[m]);
    }
  }
}

template <class T>
void AbsoluteRotary<T>::fill(Index position, View<T> rows) const {
  const Index half = omega_.size();
  for (Index m = 0; m < half; ++m) {
    double cosine = 1, sine = 0;
    for (Index t = 0; t < rows.rows(); ++t) {
      const Index p = (position + t) % page;
      if (t == 0 || p == 0) {
        const double angle = static_cast<double>(position + t - p) * omega_[m];
        cosine = math::cos(angle);
        sine = math::sin(angle);
      }
      const double c = within_[p][m], s = within_[p][half + m];
      rows[t][m] = static_cast<T>(cosine * c - sine * s);
      rows[t][half + m] = static_cast<T>(sine * c + cosine * s);
    }
  }
}

template TTT_EXPORT Tensor<float, 2> rotary_table(Index, Index, double);
template TTT_EXPORT Tensor<double, 2> rotary_table(Index, Index, double);

template class AbsoluteRotary<float>;
template class AbsoluteRotary<double>;

}  // namespace ttt::ops
