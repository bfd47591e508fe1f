// SPDX-License-Identifier: MIT
// The kernels in AVX-512 (F, DQ, VL, BW).
#include "kernels/lanes_avx512.hpp"
#include "kernels/table.hpp"
#include "kernels/tables.hpp"

namespace ttt::ops {

constinit const Kernels<float> avx512_float = make_table<float>(Isa::avx512);
constinit const Kernels<double> avx512_double = make_table<double>(Isa::avx512);

}  // namespace ttt::ops
