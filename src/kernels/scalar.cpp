// SPDX-License-Identifier: MIT
// The kernels in portable C++.
#include "kernels/lanes_scalar.hpp"
#include "kernels/table.hpp"
#include "kernels/tables.hpp"

namespace ttt::ops {

constinit const Kernels<float> scalar_float = make_table<float>(Isa::scalar);
constinit const Kernels<double> scalar_double = make_table<double>(Isa::scalar);

}  // namespace ttt::ops
