// SPDX-License-Identifier: MIT
// The inner gradient of the reconstruction loss 1/2 |LN(z) - r|^2, and the adjoint of that gradient (second order).
#pragma once

#include "kernels/common.hpp"
#include "kernels/norm.hpp"

namespace ttt {
namespace {

/// One row of g(z, r) = (u - mean(u) - z_hat mean(u z_hat)) / rho,  u = weight e,  e = weight z_hat + bias - r.
template <class T>
struct LossRow {
  using V = Vec<T>;
  NormalizedRow<T> z;
  const T* target;
  NormWeights<T> norm;
  V mean_u, mean_u_hat;

  LossRow(const T* z_row, const T* target_row, NormWeights<T> weights, Size n, T epsilon)
      : z(z_row, n, epsilon), target(target_row), norm(weights) {
    mean_u = mean<T>(n, [&](Size j, auto part) { return u(j, part); });
    mean_u_hat = mean<T>(n, [&](Size j, auto part) { return u(j, part) * z.hat(j, part); });
  }

  template <class Part>
  V weight(Size j, Part part) const {
    return V::load(norm.weight + j, part);
  }
  template <class Part>
  V e(Size j, Part part) const {
    return V::fma(weight(j, part), z.hat(j, part), V::load(norm.bias + j, part)) - V::load(target + j, part);
  }
  template <class Part>
  V u(Size j, Part part) const {
    return weight(j, part) * e(j, part);
  }
  template <class Part>
  V g(Size j, Part part) const {
    return (u(j, part) - mean_u - z.hat(j, part) * mean_u_hat) * z.inverse_rho;
  }
};

/// The same for a block of rows, times their rates.
template <class T, int count>
[[gnu::always_inline]] inline void reconstruction_gradient(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm,
                                                           T epsilon, const T* rate, Columns<count> columns,
                                                           Rows<T> G) {
  using V = Vec<T>;
  const V n = V::broadcast(static_cast<T>(columns.n));
  const Normalization<T> to_hat = normalization(Z, columns, epsilon);
  const auto with_u_hat = [&](Size i, auto f) {
    const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i];
    each_vector<T>(columns, [&](Size j, auto part) {
      const V weight = V::load(norm.weight + j, part), hat = (load(Z, i, j, part) - mean) * inverse_rho;
      f(j, weight * (V::fma(weight, hat, V::load(norm.bias + j, part)) - load(target, i, j, part)), hat, part);
    });
  };
  V sum_u[PerRow<T>::most], sum_u_hat[PerRow<T>::most];
  Size row = 0;
  do {
    V total = V::zero(), total_hat = V::zero();
    with_u_hat(row, [&](Size, V u, V hat, auto) {
      total = total + u;  // 0 beyond the row, as weight is
      total_hat = V::fma(u, hat, total_hat);
    });
    sum_u[row] = total;
    sum_u_hat[row] = total_hat;
  } while (++row < Z.rows);
  PerRow<T> mean_u, minus_mean_u_hat;
  mean_u.set(sum_rows(sum_u, Z.rows) / n);
  minus_mean_u_hat.set(V::zero() - sum_rows(sum_u_hat, Z.rows) / n);
  for (Size i = 0; i < Z.rows; ++i) {
    const V factor = to_hat.inverse_rho[i] * V::broadcast(rate[i]);
    const V of_u = mean_u[i], of_hat = minus_mean_u_hat[i];
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
      reconstruction_gradient<T>({row(Z, i), rows, Z.cols, Z.stride}, {row(target, i), rows, Z.cols, target.stride},
                                 norm, epsilon, rate + i, columns, {row(G, i), rows, Z.cols, G.stride});
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
template <class T>
void reconstruction_gradient_vjp(Rows<const T> Z, Rows<const T> target, NormWeights<T> norm, T epsilon, const T* rate,
                                 Rows<const T> dG, Rows<T> dZ, Rows<T> d_target, T* d_rate, Rows<T> d_weight_rows,
                                 Rows<T> d_bias_rows) {
  using V = Vec<T>;
  if (!norm.weight) {
    plain_reconstruction_vjp(Z, target, rate, dG, dZ, d_target, d_rate);
    fill_zero(d_weight_rows);
    return fill_zero(d_bias_rows);
  }
  const Size n = Z.cols;
  for (Size i = 0; i < Z.rows; ++i) {
    const LossRow<T> loss(row(Z, i), row(target, i), norm, n, epsilon);
    const NormalizedRow<T>& z = loss.z;
    const V factor = V::broadcast(rate[i]);
    const auto y = [&](Size j, auto part) { return factor * load(dG, i, j, part); };
    const V mean_y = mean<T>(n, y);
    const V mean_y_hat = mean<T>(n, [&](Size j, auto part) { return y(j, part) * z.hat(j, part); });
    const V mean_dG_g = mean<T>(n, [&](Size j, auto part) { return load(dG, i, j, part) * loss.g(j, part); });
    const auto de = [&](Size j, auto part) {
      return loss.weight(j, part) * ((y(j, part) - mean_y - z.hat(j, part) * mean_y_hat) * z.inverse_rho);
    };
    const auto d_hat = [&](Size j, auto part) {
      const V through_means = loss.mean_u_hat * y(j, part) + mean_y_hat * loss.u(j, part);
      return loss.weight(j, part) * de(j, part) - through_means * z.inverse_rho;
    };
    const V mean_d_hat = mean<T>(n, d_hat);
    const V mean_d_hat_hat = mean<T>(n, [&](Size j, auto part) { return d_hat(j, part) * z.hat(j, part); });
    const V toward_hat = mean_d_hat_hat + factor * mean_dG_g;  // both terms of dz along z_hat
    each_vector<T>(n, [&](Size j, auto part) {
      const V hat = z.hat(j, part), d_e = de(j, part);
      const V du_e = (y(j, part) - mean_y - hat * mean_y_hat) * z.inverse_rho * loss.e(j, part);
      const V dz = (d_hat(j, part) - mean_d_hat - hat * toward_hat) * z.inverse_rho;
      store(d_weight_rows, i, j, du_e + d_e * hat, part);
      store(d_bias_rows, i, j, d_e, part);
      store(d_target, i, j, V::zero() - d_e, part);
      store(dZ, i, j, dz, part);
    });
    d_rate[i] = mean_dG_g.first() * static_cast<T>(n);
  }
}

}  // namespace
}  // namespace ttt
