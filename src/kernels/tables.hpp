// SPDX-License-Identifier: MIT
// The tables that the sources of this folder define, for dispatch to choose from.
#pragma once

#include "ttt/ops/kernels.hpp"

namespace ttt::ops {

extern const Kernels<float> scalar_float, avx2_float, avx512_float, neon_float;
extern const Kernels<double> scalar_double, avx2_double, avx512_double, neon_double;

}  // namespace ttt::ops
