// SPDX-License-Identifier: MIT
// Rotary positions, as angles: inside the mini-batch for TTT, of absolute positions for attention.
#pragma once

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt::ops {

/// For `rotate`, which turns neighbouring channels 2m, 2m+1 by p theta^(-2m/D): row p holds the cosines of the D
/// channels (each twice), then their sines, signed (-sin, +sin). [positions, 2 head_dim]
template <class T>
TTT_EXPORT Tensor<T, 2> rotary_table(Index positions, Index head_dim, double theta);

/// For `rotate_halves`, which turns channels m, m + D/2 by t theta^(-2m/D): angles of any absolute position t.
template <class T>
class TTT_EXPORT AbsoluteRotary {
 public:
  AbsoluteRotary() = default;
  AbsoluteRotary(Index head_dim, double theta);

  /// D/2 cosines, then D/2 sines of position, position + 1, ... in each row. They do not depend on where a call begins.
  /// rows: [n, head_dim]
  void fill(Index position, View<T> rows) const;

 private:
  Tensor<double, 1> omega_;   // [D/2], angle of one step
  Tensor<double, 2> within_;  // [page, D], of the positions of one page
};

}  // namespace ttt::ops
