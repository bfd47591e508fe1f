// SPDX-License-Identifier: MIT
// Elementary functions from series on reduced arguments.
#include "base/math.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace ttt::math {
namespace {

constexpr double ln2_hi = 0x1.62e42fefa39efp-1, ln2_lo = 0x1.abc9e3b39803fp-56;
constexpr double half_pi_hi = 0x1.921fb54442d18p0, half_pi_lo = 0x1.1a62633145c07p-54;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// 2^n for a normal result.
double power_of_two(int n) { return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52); }

/// The integer nearest to |x| < 2^51.
double nearest(double x) {
  constexpr double shift = 0x1.8p52;
  return (x + shift) - shift;
}

/// (exp(x) - 1) / x from its Taylor series of `terms` terms.
double expm1_over_x(double x, int terms) {
  double sum = 1;
  for (int k = terms; k > 1; --k) sum = std::fma(sum, x / k, 1);
  return sum;
}

/// sum_k (-x)^k / (first (first + 1) ... (first + 2 k - 1)): the series of sin r / r (first = 2) and of cos r (first =
/// 1), x = r^2.
double alternating_series(double x, int first) {
  double sum = 1;
  for (int k = first + 16; k > first; k -= 2) sum = std::fma(sum, -x / ((k - 1) * (k - 2)), 1);
  return sum;
}

/// sin(x + quarter_turns pi / 2)
double sin_turned(double x, int quarter_turns) {
  if (!(std::abs(x) < 0x1p30)) return nan;
  const double n = nearest(x * 0x1.45f306dc9c883p-1);  // 2 / pi
  const double r = std::fma(-n, half_pi_lo, std::fma(-n, half_pi_hi, x));
  const int quadrant = (static_cast<int>(n) + quarter_turns) & 3;
  const double value = quadrant % 2 == 0 ? r * alternating_series(r * r, 2) : alternating_series(r * r, 1);
  return quadrant < 2 ? value : -value;
}

}  // namespace

double exp(double x) {
  if (x != x) return x;
  if (x > 709.79) return infinity;
  if (x < -745.14) return 0;
  const double n = nearest(x * 0x1.71547652b82fep0);  // 1 / ln 2
  const double r = std::fma(-n, ln2_lo, std::fma(-n, ln2_hi, x));
  const int half = static_cast<int>(n) / 2;
  return std::fma(r, expm1_over_x(r, 14), 1) * power_of_two(half) * power_of_two(static_cast<int>(n) - half);
}

double log(double x) {
  if (!(x > 0)) return x == 0 ? -infinity : nan;
  if (x == infinity) return x;
  double exponent = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    exponent = -54;
  }
  // x = 2^exponent m with m in [sqrt(1/2), sqrt(2))
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x) + (0x3FF0000000000000u - 0x3FE6A09E667F3BCDu);
  exponent += static_cast<double>(static_cast<std::int64_t>(bits >> 52) - 1023);
  const double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu);
  // log(1 + f) = 2 atanh(s) = 2 s + s R with s = f / (2 + f), and 2 s = f - s f keeps the rounding of s harmless.
  const double f = m - 1, s = f / (2 + f), z = s * s;
  double R = 0;
  for (int k = 23; k > 1; k -= 2) R = std::fma(R, z, 2.0 / k);
  R *= z;
  return std::fma(exponent, ln2_hi, f - (s * (f - R) - exponent * ln2_lo));
}

double sin(double x) { return sin_turned(x, 0); }

double cos(double x) { return sin_turned(x, 1); }

/// tanh(x) = t / (t + 2), t = exp(2 x) - 1
double tanh(double x) {
  if (std::abs(x) > 0.5) {
    const double t = 1 - 2 / (exp(2 * std::abs(x)) + 1);
    return x < 0 ? -t : t;
  }
  const double t = 2 * x * expm1_over_x(2 * x, 20);
  return t / (t + 2);
}

double pow(double base, double exponent) { return exp(exponent * log(base)); }

}  // namespace ttt::math
