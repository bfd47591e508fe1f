// SPDX-License-Identifier: MIT
// Gradients against central finite differences.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ttt/random.hpp"

namespace ttt::support {

/// Something that a value depends on, and the gradient that is to be checked.
struct Variable {
  std::string name;
  View<double, 1> value;
  View<const double, 1> gradient;
};

inline View<double, 1> flat(Tensor<double, 1>& t) { return t; }
template <int Rank>
View<double, 1> flat(Tensor<double, Rank>& t) {
  return {t.data(), {t.size()}};
}

/// Every tensor of a struct with a visitor, and of the gradient beside it.
template <class S>
void append_variables(const std::string& prefix, S& values, S& gradients, std::vector<Variable>& all) {
  S::visit(
      [&](const std::string& name, auto& value, auto& gradient) {
        if (value.size() > 0) all.push_back({prefix + name, flat(value), flat(gradient)});
      },
      values, gradients);
}

inline double dot(View<const double, 1> a, View<const double, 1> b) {
  double sum = 0;
  for (Index i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// d f / d direction by the five-point formula, whose error is O(step^4): with steps of 2^-11 about 1e-13 of the fifth
/// derivative, and rounding adds eps / step = 5e-13 of the size of f.
template <class F>
double directional_derivative(const F& f, View<double, 1> x, View<const double, 1> direction) {
  constexpr double step = 0x1p-11;
  std::vector<double> before(x.data(), x.data() + x.size());
  const auto at = [&](double h) {
    for (Index i = 0; i < x.size(); ++i) x[i] = before[static_cast<std::size_t>(i)] + h * direction[i];
    return f();
  };
  const double near = at(step) - at(-step), far = at(2 * step) - at(-2 * step);
  std::copy(before.begin(), before.end(), x.data());
  return (8 * near - far) / (12 * step);
}

/// Checks the gradient of f with respect to each variable alone, along a random direction of length 1. A gradient that
/// is off by any fixed part of its length shows up in such a product, but for a chance of nearly zero.
template <class F>
void expect_derivatives(const F& f, const std::vector<Variable>& variables, Rng& rng) {
  const double size = std::abs(f());
  for (const Variable& v : variables) {
    Tensor<double, 1> direction = normal<double, 1>({v.value.size()}, rng);
    const double length = std::sqrt(dot(direction, direction));
    for (double& d : direction) d /= length;
    const double expected = directional_derivative(f, v.value, direction), found = dot(v.gradient, direction);
    const double typical = std::sqrt(dot(v.gradient, v.gradient) / static_cast<double>(v.value.size()));
    EXPECT_NEAR(found, expected, 1e-6 * typical + 1e-11 * (1 + size)) << v.name;
  }
}

}  // namespace ttt::support
