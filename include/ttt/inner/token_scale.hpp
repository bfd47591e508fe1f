// SPDX-License-Identifier: MIT
// The inner learning rate eta[t, s] = scale[t] * rate[s]: the position's factor here, the token's gate in layer.hpp.
#pragma once

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt::inner {

/// scale_p = max(0, 1/(p+1) + offset_p): an output sees the mean of the inner gradients so far.
template <class T>
TTT_EXPORT void token_scale(View<const T, 1> offset, View<T, 1> scale);

/// d_offset_p += d_scale_p where 1/(p+1) + offset_p >= 0.
template <class T>
TTT_EXPORT void token_scale_vjp(View<const T, 1> offset, View<const T, 1> d_scale, View<T, 1> d_offset);

/// base_lr * multiplier / head_dim: what the gate sigmoid(x . theta_lr) is multiplied with.
template <class T>
TTT_EXPORT T rate_factor(double base_lr, double multiplier, Index head_dim);

}  // namespace ttt::inner
