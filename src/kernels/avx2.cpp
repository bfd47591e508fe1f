// SPDX-License-Identifier: MIT
// The kernels in AVX2 with FMA.
#include "kernels/lanes_avx2.hpp"
#include "kernels/table.hpp"
#include "kernels/tables.hpp"

namespace ttt::ops {

constinit const Kernels<float> avx2_float = make_table<float>(Isa::avx2);
constinit const Kernels<double> avx2_double = make_table<double>(Isa::avx2);

}  // namespace ttt::ops
