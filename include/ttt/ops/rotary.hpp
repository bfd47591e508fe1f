// SPDX-License-Identifier: MIT
// Rotary positions inside the mini-batch: neighbouring channels 2m, 2m+1 turn by the angle p theta^(-2m/D).
#pragma once

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Row p holds the cosines of the D channels (each twice), then their sines, signed (-sin, +sin). [positions, 2
/// head_dim]
template <class T>
TTT_EXPORT Tensor<T, 2> rotary_table(Index positions, Index head_dim, double theta);

}  // namespace ttt
