// SPDX-License-Identifier: MIT
// The inner gradient of the reconstruction loss 1/2 |LN(z) - r|^2, and the adjoint of that gradient (second order).
#pragma once

#include "kernels/common.hpp"
#include "kernels/norm.hpp"

namespace ttt::ops {
namespace {

/// G = rate (u - mean(u) - z_hat mean(u z_hat)) / rho,  u = weight e,  e = weight z_hat + bias - r, for a block of
/// rows.
template <class T, int count>
[[gnu::always_inline]] inline void reconstruction_gradient(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm,
                                                           T epsilon, const T* rate, Columns<count> columns,
                                                           Rows<T> G) {
  using V = Vec<T>;
  const Normalization<T> to_hat = normalization(Z, columns, epsilon);
  const auto with_u_hat = [&](Size i, auto f) {
    const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i];
    each_vector<T>(columns, [&](Size j, auto part) {
      const V weight = V::load(norm.weight + j, part);
      const V hat = only<T>((load(Z, i, j, part) - mean) * inverse_rho, part);
      f(j, weight * (V::fma(weight, hat, V::load(norm.bias + j, part)) - load(target, i, j, part)), hat, part);
    });
  };
  V sum_u[PerRow<T>::most], sum_u_hat[PerRow<T>::most];
#pragma GCC unroll 1
  for (Size row = 0; row < Z.rows; ++row) {
    V total = V::zero(), total_hat = V::zero();
    with_u_hat(row, [&](Size, V u, V hat, auto) {
      total = total + u;
      total_hat = V::fma(u, hat, total_hat);
    });
    sum_u[row] = total;
    sum_u_hat[row] = total_hat;
  }
  const PerRow<T> mean_u = means(sum_u, Z.rows, columns.n), mean_u_hat = means(sum_u_hat, Z.rows, columns.n);
  for (Size i = 0; i < Z.rows; ++i) {
    const V factor = to_hat.inverse_rho[i] * V::broadcast(rate[i]);
    const V of_u = mean_u[i], of_hat = V::zero() - mean_u_hat[i];
    with_u_hat(i, [&](Size j, V u, V hat, auto part) { store(G, i, j, V::fma(hat, of_hat, u - of_u) * factor, part); });
  }
}

template <class T>
void reconstruction_gradient(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm, T epsilon, const T* rate,
                             Rows<T> G) {
  using V = Vec<T>;
  if (!norm.weight) {
    return each_vector<T>(G, [&](Size i, Size j, auto part) {
      store(G, i, j, V::broadcast(rate[i]) * (load(Z, i, j, part) - load(target, i, j, part)), part);
    });
  }
  with_columns<T>(Z.cols, [&](auto columns) {
    each_block<T>(Z.rows, [&](Size i, Size rows) {
      reconstruction_gradient<T>(some_rows(Z, i, rows), some_rows(target, i, rows), norm, epsilon, rate + i, columns,
                                 some_rows(G, i, rows));
    });
  });
}

/// Without a norm: g = z - r.
template <class T>
void plain_reconstruction_vjp(Rows<const T> Z, Rows<const T> target, const T* rate, Rows<const T> dG, Rows<T> dZ,
                              Rows<T> d_target, T* d_rate) {
  using V = Vec<T>;
  for (Size i = 0; i < Z.rows; ++i) {
    const V factor = V::broadcast(rate[i]);
    V total = V::zero();
    each_vector<T>(Z.cols, [&](Size j, auto part) {
      total = V::fma(load(dG, i, j, part), load(Z, i, j, part) - load(target, i, j, part), total);
    });
    d_rate[i] = sum(total);
    each_vector<T>(Z.cols, [&](Size j, auto part) {
      const V y = factor * load(dG, i, j, part);
      store(dZ, i, j, y, part);
      store(d_target, i, j, V::zero() - y, part);
    });
  }
}

/// With y = rate dG:  du = (y - mean(y) - z_hat mean(y z_hat)) / rho,  de = weight du,
/// dz_hat = weight de - (mean(u z_hat) y + mean(y z_hat) u) / rho,  d_rho = -sum(y g) / rho,
/// dz = (dz_hat - mean(dz_hat) - z_hat mean(dz_hat z_hat)) / rho + d_rho z_hat / n.
template <class T, int count>
[[gnu::flatten]] void reconstruction_gradient_vjp(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm, T epsilon,
                                                  const T* rate, Rows<const T> dG, Columns<count> columns, Rows<T> dZ,
                                                  Rows<T> d_target, T* d_rate, Rows<T> d_weight_rows,
                                                  Rows<T> d_bias_rows) {
  using V = Vec<T>;
  constexpr Size most = PerRow<T>::most;
  const Normalization<T> to_hat = normalization(Z, columns, epsilon);
  struct Element {
    V weight, hat, e, u, dg, y;  // 0 beyond the row
  };
  const auto each_element = [&](Size i, auto f) {
    const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i], factor = V::broadcast(rate[i]);
    each_vector<T>(columns, [&](Size j, auto part) {
      Element at;
      at.weight = V::load(norm.weight + j, part);
      at.hat = only<T>((load(Z, i, j, part) - mean) * inverse_rho, part);
      at.e = V::fma(at.weight, at.hat, V::load(norm.bias + j, part)) - load(target, i, j, part);
      at.u = at.weight * at.e;
      at.dg = load(dG, i, j, part);
      at.y = factor * at.dg;
      f(j, at, part);
    });
  };

  V sum_u[most], sum_u_hat[most], sum_y[most], sum_y_hat[most];
#pragma GCC unroll 1
  for (Size row = 0; row < Z.rows; ++row) {
    V u = V::zero(), u_hat = V::zero(), y = V::zero(), y_hat = V::zero();
    each_element(row, [&](Size, const Element& at, auto) {
      u = u + at.u;
      u_hat = V::fma(at.u, at.hat, u_hat);
      y = y + at.y;
      y_hat = V::fma(at.y, at.hat, y_hat);
    });
    sum_u[row] = u;
    sum_u_hat[row] = u_hat;
    sum_y[row] = y;
    sum_y_hat[row] = y_hat;
  }
  const auto means_of = [&](V(&sums)[most]) { return means(sums, Z.rows, columns.n); };
  const PerRow<T> mean_u = means_of(sum_u), mean_u_hat = means_of(sum_u_hat);
  const PerRow<T> mean_y = means_of(sum_y), mean_y_hat = means_of(sum_y_hat);

  const auto each_derivative = [&](Size i, auto f) {
    const V inverse_rho = to_hat.inverse_rho[i], y = mean_y[i], y_hat = mean_y_hat[i], u_hat = mean_u_hat[i];
    each_element(i, [&](Size j, const Element& at, auto part) {
      const V du = (at.y - y - at.hat * y_hat) * inverse_rho, de = at.weight * du;
      f(j, at, du, de, at.weight * de - V::fma(u_hat, at.y, y_hat * at.u) * inverse_rho, part);
    });
  };
  V sum_dg_g[most], sum_d_hat[most], sum_d_hat_hat[most];
#pragma GCC unroll 1
  for (Size row = 0; row < Z.rows; ++row) {
    const V inverse_rho = to_hat.inverse_rho[row], of_u = mean_u[row], of_hat = mean_u_hat[row];
    V dg_g = V::zero(), total = V::zero(), total_hat = V::zero();
    each_derivative(row, [&](Size, const Element& at, V, V, V d_hat, auto) {
      dg_g = V::fma(at.dg, (at.u - of_u - at.hat * of_hat) * inverse_rho, dg_g);
      total = total + d_hat;
      total_hat = V::fma(d_hat, at.hat, total_hat);
    });
    sum_dg_g[row] = dg_g;
    sum_d_hat[row] = total;
    sum_d_hat_hat[row] = total_hat;
  }
  const PerRow<T> mean_dg_g = means_of(sum_dg_g), mean_d_hat = means_of(sum_d_hat);
  const PerRow<T> mean_d_hat_hat = means_of(sum_d_hat_hat);

  for (Size i = 0; i < Z.rows; ++i) {
    const V inverse_rho = to_hat.inverse_rho[i], of_d_hat = mean_d_hat[i];
    const V toward_hat = V::fma(V::broadcast(rate[i]), mean_dg_g[i], mean_d_hat_hat[i]);  // both terms along z_hat
    each_derivative(i, [&](Size j, const Element& at, V du, V de, V d_hat, auto part) {
      store(d_weight_rows, i, j, V::fma(du, at.e, de * at.hat), part);
      store(d_bias_rows, i, j, de, part);
      store(d_target, i, j, V::zero() - de, part);
      store(dZ, i, j, (d_hat - of_d_hat - at.hat * toward_hat) * inverse_rho, part);
    });
    d_rate[i] = mean_dg_g.at[i] * static_cast<T>(columns.n);
  }
}

template <class T>
void reconstruction_gradient_vjp(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm, T epsilon, const T* rate,
                                 Rows<const T> dG, Rows<T> dZ, Rows<T> d_target, T* d_rate, Rows<T> d_weight_rows,
                                 Rows<T> d_bias_rows) {
  if (!norm.weight) {
    plain_reconstruction_vjp(Z, target, rate, dG, dZ, d_target, d_rate);
    fill_zero(d_weight_rows);
    return fill_zero(d_bias_rows);
  }
  with_columns<T>(Z.cols, [&](auto columns) {
    each_block<T>(Z.rows, [&](Size i, Size rows) {
      const auto some = [&](auto m) { return some_rows(m, i, rows); };
      reconstruction_gradient_vjp<T>(some(Z), some(target), norm, epsilon, rate + i, some(dG), columns, some(dZ),
                                     some(d_target), d_rate + i, some(d_weight_rows), some(d_bias_rows));
    });
  });
}

}  // namespace
}  // namespace ttt::ops
