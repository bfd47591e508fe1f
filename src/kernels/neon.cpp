// SPDX-License-Identifier: MIT
// The kernels in NEON of 64-bit ARM.
#include "kernels/lanes_neon.hpp"
#include "kernels/table.hpp"
#include "kernels/tables.hpp"

namespace ttt::ops {

constinit const Kernels<float> neon_float = make_table<float>(Isa::neon);
constinit const Kernels<double> neon_double = make_table<double>(Isa::neon);

}  // namespace ttt::ops
