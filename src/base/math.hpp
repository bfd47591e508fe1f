// SPDX-License-Identifier: MIT
// Elementary functions of one number, the same on every platform: of libm they use sqrt and fma only.
#pragma once

namespace ttt::math {

double exp(double x);  // at most 2 ulp; results below the normal range are rounded, not flushed
double log(double x);  // at most 2 ulp
double sin(double x);  // for |x| <= 1e5: at most 1e-15 off
double cos(double x);  // likewise
double tanh(double x);
double pow(double base, double exponent);  // for base > 0

}  // namespace ttt::math
