// SPDX-License-Identifier: MIT
// How every inner model ends: a layer norm and a residual, of which each head has its own.
#pragma once

#include "ttt/ops/ops.hpp"

namespace ttt::inner {

/// What one head's inner model reads besides its state.
template <class T>
struct HeadSettings {
  ops::NormWeights<T> norm;  // of the layer norm inside the inner model; null weight: none
  bool residual;             // f(x) = x + ...
  T bias_step;               // 1: biases are trained; 0: they stay
};

/// out = [Q +] LN(Z): how every inner model ends.
template <class T>
void readout(ops::In<T> Z, ops::In<T> Q, const HeadSettings<T>& head, View<T> out) {
  if (head.residual) {
    ops::layer_norm(Z, head.norm, Q, out);
  } else {
    ops::layer_norm(Z, head.norm, out);
  }
}

/// Adjoint of `readout`: dZ and dQ are written, and the rows whose sum is the gradient of the norm's weight. (That of
/// its bias is the sum of the rows of d_out.)
template <class T>
void readout_vjp(ops::In<T> Z, const HeadSettings<T>& head, ops::In<T> d_out, View<T> dZ, View<T> dQ,
                 View<T> d_weight_rows) {
  ops::layer_norm_vjp(Z, head.norm, d_out, dZ, d_weight_rows);
  if (head.residual) {
    copy(d_out, dQ);
  } else {
    fill(dQ, T(0));
  }
}

}  // namespace ttt::inner
