// SPDX-License-Identifier: MIT
// GELU (tanh form), SiLU and the logistic function, element by element. With 1/2 (1 + tanh y) = logistic(2 y) they all
// come from one exp. A result may take the place of an operand.
#pragma once

#include "kernels/common.hpp"
#include "kernels/exp.hpp"

namespace ttt {
namespace {

template <class T>
struct GeluConstants {
  static constexpr T cubic = static_cast<T>(0.044715);
  static constexpr T slope = static_cast<T>(1.5957691216057307118);  // 2 sqrt(2 / pi)
  // The official inner gradient has sqrt(2 / pi) and 3 * 0.044715 * sqrt(2 / pi) with these digits.
  static constexpr T a0 = static_cast<T>(0.79788456);
  static constexpr T a1 = static_cast<T>(0.1070322243);
  // Where the logistic factor is 0 or 1 in either precision. Powers of a are taken no further out: 0 * inf is no slope.
  static constexpr T limit = 32;
};

template <class T>
[[gnu::always_inline]] inline Vec<T> above(T limit, Vec<T> a) {
  const Vec<T> bound = Vec<T>::broadcast(limit);
  return Vec<T>::if_greater(bound, a, bound, a);
}

template <class T>
[[gnu::always_inline]] inline Vec<T> clamped(Vec<T> a) {
  using V = Vec<T>;
  const V bound = V::broadcast(GeluConstants<T>::limit);
  return above<T>(-GeluConstants<T>::limit, V::if_greater(a, bound, bound, a));
}

/// logistic(slope a (1 + cubic a^2)): for slope = 2 sqrt(2 / pi) what a is multiplied with in GELU.
template <class T>
[[gnu::always_inline]] inline Logistic<T> gelu_factor(Vec<T> a, T slope) {
  using V = Vec<T>;
  const V cubic = V::broadcast(GeluConstants<T>::cubic);
  return Logistic<T>(V::broadcast(slope) * a * V::fma(cubic * a, a, V::broadcast(1)));
}

template <class T>
[[gnu::always_inline]] inline Vec<T> gelu_of(Vec<T> a) {
  a = above<T>(-GeluConstants<T>::limit, a);
  return a * gelu_factor<T>(a, GeluConstants<T>::slope).value;
}

/// s + a s (1 - s) slope (1 + 3 cubic a^2)
template <class T>
[[gnu::always_inline]] inline Vec<T> gelu_slope(Vec<T> a) {
  using V = Vec<T>;
  using C = GeluConstants<T>;
  a = clamped<T>(a);
  const Logistic<T> s = gelu_factor<T>(a, C::slope);
  const V inner = V::broadcast(C::slope) * V::fma(V::broadcast(3 * C::cubic) * a, a, V::broadcast(1));
  return V::fma(a * (s.value * s.rest), inner, s.value);
}

/// phi' and phi'' with the truncated constants; s = 1/2 (1 + tau), w = 2 s (1 - s) = 1/2 (1 - tau^2).
template <class T>
struct InnerGelu {
  static constexpr T slope = 2 * GeluConstants<T>::a0;
  Vec<T> a, a_squared, w, inner, first;
  Logistic<T> s;

  [[gnu::always_inline]] explicit InnerGelu(Vec<T> z) : a(clamped<T>(z)), s(gelu_factor<T>(a, slope)) {
    using V = Vec<T>;
    using C = GeluConstants<T>;
    a_squared = a * a;
    w = V::broadcast(2) * s.value * s.rest;
    inner = V::fma(V::broadcast(C::a1), a_squared, V::broadcast(C::a0));
    first = V::fma(a * w, inner, s.value);
  }

  [[gnu::always_inline]] Vec<T> second() const {
    using V = Vec<T>;
    using C = GeluConstants<T>;
    const V one = V::broadcast(1), two = V::broadcast(2);
    const V tau = s.value - s.rest;
    const V kappa = V::broadcast(C::a0) * V::fma(V::broadcast(3 * C::cubic), a_squared, one);
    return w * (inner * (one - two * a * tau * kappa) + kappa + two * V::broadcast(C::a1) * a_squared);
  }
};

template <class T>
void gelu(Rows<const T> z, Rows<T> y) {
  each_vector<T>(y, [&](Size i, Size j, auto part) { store(y, i, j, gelu_of<T>(load(z, i, j, part)), part); });
}

template <class T>
void gelu_vjp(Rows<const T> z, Rows<const T> dy, Rows<T> dz) {
  each_vector<T>(dz, [&](Size i, Size j, auto part) {
    const Vec<T> slope = gelu_slope<T>(load(z, i, j, part));
    store(dz, i, j, Vec<T>::fma(load(dy, i, j, part), slope, load(dz, i, j, part)), part);
  });
}

template <class T>
void gelu_and_slope(Rows<const T> z, Rows<T> y, Rows<T> slope) {
  each_vector<T>(y, [&](Size i, Size j, auto part) {
    const Vec<T> a = load(z, i, j, part);
    const InnerGelu<T> phi(a);
    // In float the truncated constant is the exact one: both functions come from one exp.
    const bool same = InnerGelu<T>::slope == GeluConstants<T>::slope;
    store(y, i, j, same ? above<T>(-GeluConstants<T>::limit, a) * phi.s.value : gelu_of<T>(a), part);
    store(slope, i, j, phi.first, part);
  });
}

template <class T>
void gelu_gradient(Rows<const T> z, Rows<const T> s, Rows<T> g) {
  each_vector<T>(g, [&](Size i, Size j, auto part) {
    store(g, i, j, load(s, i, j, part) * InnerGelu<T>(load(z, i, j, part)).first, part);
  });
}

template <class T>
void gelu_gradient_vjp(Rows<const T> z, Rows<const T> s, Rows<const T> dg, Rows<T> ds, Rows<T> dz) {
  each_vector<T>(dz, [&](Size i, Size j, auto part) {
    const InnerGelu<T> phi(load(z, i, j, part));
    const Vec<T> d = load(dg, i, j, part), d_slope = d * load(s, i, j, part);
    const Vec<T> d_z = Vec<T>::fma(d_slope, phi.second(), load(dz, i, j, part));
    store(ds, i, j, d * phi.first, part);
    store(dz, i, j, d_z, part);
  });
}

template <class T>
void gelu_gate(Rows<const T> a, Rows<const T> g, Rows<T> y) {
  each_vector<T>(y, [&](Size i, Size j, auto part) {
    store(y, i, j, load(a, i, j, part) * gelu_of<T>(load(g, i, j, part)), part);
  });
}

template <class T>
void gelu_gate_vjp(Rows<const T> a, Rows<const T> g, Rows<const T> dy, Rows<T> da, Rows<T> dg) {
  each_vector<T>(da, [&](Size i, Size j, auto part) {
    const Vec<T> d = load(dy, i, j, part), gate = load(g, i, j, part), d_gelu = d * load(a, i, j, part);
    store(da, i, j, d * gelu_of<T>(gate), part);
    store(dg, i, j, d_gelu * gelu_slope<T>(gate), part);
  });
}

template <class T>
void silu_gate(Rows<const T> g, Rows<const T> u, Rows<T> y) {
  each_vector<T>(y, [&](Size i, Size j, auto part) {
    const Vec<T> gate = load(g, i, j, part);
    store(y, i, j, gate * Logistic<T>(gate).value * load(u, i, j, part), part);
  });
}

/// silu'(g) = s (1 + g (1 - s))
template <class T>
void silu_gate_vjp(Rows<const T> g, Rows<const T> u, Rows<const T> dy, Rows<T> dg, Rows<T> du) {
  using V = Vec<T>;
  const V one = V::broadcast(1);
  each_vector<T>(dg, [&](Size i, Size j, auto part) {
    const V d = load(dy, i, j, part), gate = load(g, i, j, part), d_silu = d * load(u, i, j, part);
    const Logistic<T> s(gate);
    store(du, i, j, d * (gate * s.value), part);
    store(dg, i, j, d_silu * (s.value * V::fma(gate, s.rest, one)), part);
  });
}

template <class T>
void sigmoid(Rows<const T> a, T factor, Rows<T> rate) {
  each_vector<T>(rate, [&](Size i, Size j, auto part) {
    store(rate, i, j, Vec<T>::broadcast(factor) * Logistic<T>(load(a, i, j, part)).value, part);
  });
}

template <class T>
void sigmoid_vjp(Rows<const T> a, T factor, Rows<const T> d_rate, Rows<T> da) {
  using V = Vec<T>;
  each_vector<T>(da, [&](Size i, Size j, auto part) {
    const Logistic<T> s(load(a, i, j, part));
    store(da, i, j, load(d_rate, i, j, part) * V::broadcast(factor) * (s.value * s.rest), part);
  });
}

}  // namespace
}  // namespace ttt
