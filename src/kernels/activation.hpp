// SPDX-License-Identifier: MIT
// GELU (tanh form), SiLU and the logistic function, element by element. With 1/2 (1 + tanh y) = logistic(2 y) they all
// come from one exp. A result may take the place of an operand.
#pragma once

#include "kernels/exp.hpp"
#include "kernels/vectors.hpp"

namespace ttt::ops {
namespace {

template <class T>
struct GeluConstants {
  static constexpr T cubic = static_cast<T>(0.044715);
  static constexpr T slope = static_cast<T>(1.5957691216057307118);  // 2 sqrt(2 / pi)
  // The official inner gradient has sqrt(2 / pi) and 3 * 0.044715 * sqrt(2 / pi) with these digits.
  static constexpr T a0 = static_cast<T>(0.79788456);
  static constexpr T a1 = static_cast<T>(0.1070322243);
  // A number up to which exp of the logistic function's argument and its reciprocal are normal numbers; in float it is
  // almost the largest. Further out that argument stays what it is at the limit, and below -limit the factor is 0.
  static constexpr T limit = sizeof(T) == 4 ? 10 : 21;
};

/// What the logistic factor is multiplied with: -inf times 0 would be no number. NaN passes.
template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> from_lower_limit(const Vectors<T, n>& z) {
  return Vectors<T, n>::larger(Vectors<T, n>::broadcast(-GeluConstants<T>::limit), z);
}

template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> within_limits(const Vectors<T, n>& z) {
  return Vectors<T, n>::smaller(Vectors<T, n>::broadcast(GeluConstants<T>::limit), from_lower_limit(z));
}

/// logistic(slope z (1 + cubic z^2)), and 0 below the lower limit: for slope = 2 sqrt(2 / pi) what z is multiplied with
/// in GELU. For NaN it may be anything.
template <class T, int n>
[[gnu::always_inline]] inline Logistic<T, n> gelu_factor(const Vectors<T, n>& z, T slope) {
  using V = Vectors<T, n>;
  using C = GeluConstants<T>;
  const V a = within_limits(z);
  const Logistic s = logistic_of(normal_exp(a * fma(V::broadcast(-slope * C::cubic), a * a, V::broadcast(-slope))));
  return {V::if_greater(V::broadcast(-C::limit), z, V::broadcast(0), s.value), s.rest};
}

template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> gelu_of(const Vectors<T, n>& z) {
  return from_lower_limit(z) * gelu_factor(z, GeluConstants<T>::slope).value;
}

/// s + a s (1 - s) slope (1 + 3 cubic a^2)
template <class T, int n>
[[gnu::always_inline]] inline Vectors<T, n> gelu_slope(const Vectors<T, n>& z) {
  using V = Vectors<T, n>;
  using C = GeluConstants<T>;
  const V a = within_limits(z);
  const Logistic s = gelu_factor(z, C::slope);
  const V inner = V::broadcast(C::slope) * fma(V::broadcast(3 * C::cubic) * a, a, V::broadcast(1));
  return fma(a * (s.value * s.rest), inner, s.value);
}

/// phi' and phi'' with the truncated constants; s = 1/2 (1 + tau), w = 2 s (1 - s) = 1/2 (1 - tau^2).
template <class T, int n>
struct InnerGelu {
  using V = Vectors<T, n>;
  static constexpr T slope = 2 * GeluConstants<T>::a0;
  V z, a, a_squared, w, inner, first;
  Logistic<T, n> s;

  [[gnu::always_inline]] explicit InnerGelu(const V& argument)
      : z(argument), a(within_limits(z)), s(gelu_factor(z, slope)) {
    using C = GeluConstants<T>;
    a_squared = a * a;
    w = V::broadcast(2) * (s.value * s.rest);
    inner = fma(V::broadcast(C::a1), a_squared, V::broadcast(C::a0));
    first = fma(a * w, inner, s.value);
  }

  [[gnu::always_inline]] V second() const {
    using C = GeluConstants<T>;
    const V one = V::broadcast(1), two = V::broadcast(2);
    const V tau = s.value - s.rest;
    const V kappa = V::broadcast(C::a0) * fma(V::broadcast(3 * C::cubic), a_squared, one);
    const V curvature = w * (inner * (one - two * a * tau * kappa) + kappa + two * V::broadcast(C::a1) * a_squared);
    return V::if_greater(z, V::broadcast(C::limit), V::broadcast(0), curvature);  // beyond it, w stays what it is there
  }
};

template <class T>
void gelu(Rows<const T> z, Rows<T> y) {
  each_place<T>(y, [&](auto at) { at.store(y, gelu_of(at.load(z))); });
}

template <class T>
void gelu_vjp(Rows<const T> z, Rows<const T> dy, Rows<T> dz) {
  each_place<T>(dz, [&](auto at) {
    const auto slope = gelu_slope(at.load(z));
    at.store(dz, fma(at.load(dy), slope, at.load(dz)));
  });
}

template <class T>
void gelu_and_slope(Rows<const T> z, Rows<T> y, Rows<T> slope) {
  each_place<T>(y, [&](auto at) {
    const auto a = at.load(z);
    const InnerGelu phi(a);
    // In float the truncated constant is the exact one: both functions come from one exp.
    const bool same = phi.slope == GeluConstants<T>::slope;
    at.store(y, same ? from_lower_limit(a) * phi.s.value : gelu_of(a));
    at.store(slope, phi.first);
  });
}

template <class T>
void gelu_gradient(Rows<const T> z, Rows<const T> s, Rows<T> g) {
  each_place<T>(g, [&](auto at) { at.store(g, at.load(s) * InnerGelu(at.load(z)).first); });
}

template <class T>
void gelu_gradient_vjp(Rows<const T> z, Rows<const T> s, Rows<const T> dg, Rows<T> ds, Rows<T> dz) {
  each_place<T>(dz, [&](auto at) {
    const InnerGelu phi(at.load(z));
    const auto d = at.load(dg), d_slope = d * at.load(s);
    const auto d_z = fma(d_slope, phi.second(), at.load(dz));
    at.store(ds, d * phi.first);
    at.store(dz, d_z);
  });
}

template <class T>
void gelu_gate(Rows<const T> a, Rows<const T> g, Rows<T> y) {
  each_place<T>(y, [&](auto at) { at.store(y, at.load(a) * gelu_of(at.load(g))); });
}

template <class T>
void gelu_gate_vjp(Rows<const T> a, Rows<const T> g, Rows<const T> dy, Rows<T> da, Rows<T> dg) {
  each_place<T>(da, [&](auto at) {
    const auto d = at.load(dy), gate = at.load(g), d_gelu = d * at.load(a);
    at.store(da, d * gelu_of(gate));
    at.store(dg, d_gelu * gelu_slope(gate));
  });
}

template <class T>
void silu_gate(Rows<const T> g, Rows<const T> u, Rows<T> y) {
  each_place<T>(y, [&](auto at) {
    const auto gate = at.load(g);
    at.store(y, gate * logistic(gate).value * at.load(u));
  });
}

/// silu'(g) = s (1 + g (1 - s))
template <class T>
void silu_gate_vjp(Rows<const T> g, Rows<const T> u, Rows<const T> dy, Rows<T> dg, Rows<T> du) {
  each_place<T>(dg, [&](auto at) {
    const auto d = at.load(dy), gate = at.load(g), d_silu = d * at.load(u);
    const Logistic s = logistic(gate);
    at.store(du, d * (gate * s.value));
    at.store(dg, d_silu * (s.value * fma(gate, s.rest, at.broadcast(1))));
  });
}

template <class T>
void sigmoid(Rows<const T> a, T factor, Rows<T> rate) {
  each_place<T>(rate, [&](auto at) {
    const Logistic s = logistic(at.load(a));
    at.store(rate, at.broadcast(factor) * s.value);
  });
}

template <class T>
void sigmoid_vjp(Rows<const T> a, T factor, Rows<const T> d_rate, Rows<T> da) {
  each_place<T>(da, [&](auto at) {
    const Logistic s = logistic(at.load(a));
    at.store(da, at.load(d_rate) * at.broadcast(factor) * (s.value * s.rest));
  });
}

}  // namespace
}  // namespace ttt::ops
