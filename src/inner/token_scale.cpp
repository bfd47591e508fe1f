// SPDX-License-Identifier: MIT
// Arithmetic of the inner learning rate, compiled here so that no user's flags can change it.
#include "ttt/inner/token_scale.hpp"

namespace ttt::inner {

template <class T>
void token_scale(View<const T, 1> offset, View<T, 1> scale) {
  for (Index p = 0; p < scale.size(); ++p) {
    const T c = T(1) / static_cast<T>(p + 1) + offset[p];
    scale[p] = c < T(0) ? T(0) : c;  // what is not a number stays so
  }
}

template <class T>
void token_scale_vjp(View<const T, 1> offset, View<const T, 1> d_scale, View<T, 1> d_offset) {
  for (Index p = 0; p < d_scale.size(); ++p) {
    if (T(1) / static_cast<T>(p + 1) + offset[p] >= T(0)) d_offset[p] += d_scale[p];
  }
}

template <class T>
T rate_factor(double base_lr, double multiplier, Index head_dim) {
  return static_cast<T>(base_lr * multiplier / static_cast<double>(head_dim));
}

template TTT_EXPORT void token_scale(View<const float, 1>, View<float, 1>);
template TTT_EXPORT void token_scale(View<const double, 1>, View<double, 1>);
template TTT_EXPORT void token_scale_vjp(View<const float, 1>, View<const float, 1>, View<float, 1>);
template TTT_EXPORT void token_scale_vjp(View<const double, 1>, View<const double, 1>, View<double, 1>);
template TTT_EXPORT float rate_factor<float>(double, double, Index);
template TTT_EXPORT double rate_factor<double>(double, double, Index);

}  // namespace ttt::inner
