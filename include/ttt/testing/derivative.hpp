// SPDX-License-Identifier: MIT
// Gradients against central finite differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ttt/ops/parameters.hpp"
#include "ttt/sequence/state.hpp"

namespace ttt::laws {

/// Something that a value depends on, and the gradient that is to be checked.
struct Variable {
  std::string name;
  View<double, 1> value;
  View<const double, 1> gradient;
};

/// Every tensor of a struct with a visitor, and of the gradient beside it.
template <class S>
void append_variables(const std::string& prefix, S& variables, S& gradients, std::vector<Variable>& all) {
  S::visit(detail::tensors_only([&](const std::string& name, auto& value, auto& gradient) {
             if (value.size() > 0) all.push_back({prefix + name, values(value), values(gradient)});
           }),
           variables, gradients);
}

inline double dot(View<const double, 1> a, View<const double, 1> b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// d f / d direction by the nine-point formula, which cuts off step^8 / 630 of the ninth derivative. A rounding error
/// in the values of f grows to at most 2.1 / step of it.
template <class F>
double directional_derivative(const F& f, View<double, 1> x, View<const double, 1> direction, double step) {
  constexpr double weights[] = {4.0 / 5, -1.0 / 5, 4.0 / 105, -1.0 / 280};
  const std::vector<double> before(x.data(), x.data() + x.size());
  const auto at = [&](double h) {
    for (Index i = 0; i < x.size(); ++i) x[i] = before[static_cast<std::size_t>(i)] + h * direction[i];
    return f();
  };
  double sum = 0, h = 0;
  for (const double weight : weights) {
    h += step;
    sum += weight * (at(h) - at(-h));
  }
  std::copy(before.begin(), before.end(), x.data());
  return sum / step;
}

/// Throws Error unless the gradient of f with respect to each variable alone is right along a random direction of
/// length 1. A gradient that is off by any fixed part of its length shows up in such a product, but for a chance of
/// nearly zero.
template <class F>
void check_derivatives(const F& f, const std::vector<Variable>& variables, Rng& rng) {
  // A value of f comes of many operations in a row: taken as right to 32 units of rounding.
  const double rounding = 32 * std::numeric_limits<double>::epsilon() * (1 + std::abs(f()));
  for (const Variable& v : variables) {
    Tensor<double, 1> direction = normal<double, 1>({v.value.size()}, rng);
    const double length = std::sqrt(dot(direction, direction));
    for (double& d : direction) d /= length;
    const double found = dot(v.gradient, direction);
    const double typical = std::sqrt(dot(v.gradient, v.gradient) / static_cast<double>(v.value.size()));
    // Steps are halved until that changes nothing: of what is cut off, 1 / 256 is left each time. What is left is
    // rounding, of which norms that divide by little make more: 1e-9 of the gradient leaves them six digits.
    double step = 0x1p-7, tolerance = 0, change = 0, expected = directional_derivative(f, v.value, direction, step);
    do {
      step /= 2;
      tolerance = 1e-9 * typical + 2.1 / step * rounding;
      const double finer = directional_derivative(f, v.value, direction, step);
      change = std::abs(finer - expected);
      expected = finer;
    } while (change > tolerance && step > 0x1p-16);
    require(std::abs(found - expected) <= tolerance, "gradient of ", v.name, ": expected ", expected, " within ",
            tolerance, " by finite differences of step ", step, ", found ", found);
  }
}

}  // namespace ttt::laws
