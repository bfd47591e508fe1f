// SPDX-License-Identifier: MIT
// Layer norm and RMS norm of rows, with their adjoints. Nothing is written before all sums of a row are known, so the
// result may take the place of an operand.
#pragma once

#include "kernels/common.hpp"
#include "kernels/row_statistics.hpp"
#include "kernels/rows.hpp"

namespace ttt::ops {
namespace {

template <class T>
[[gnu::flatten]] void fill_zero(Rows<T> x) {
  each_vector<T>(x, [&](Size i, Size j, auto part) { store(x, i, j, Vec<T>::zero(), part); });
}

template <class T>
[[gnu::flatten]] void layer_norm(Rows<const T> x, NormWeights<T> norm, T epsilon, Rows<const T> residual, Rows<T> y) {
  using V = Vec<T>;
  if (!norm.weight) {
    if (!residual.data) return copy(x, y);
    return each_vector<T>(
        y, [&](Size i, Size j, auto part) { store(y, i, j, load(residual, i, j, part) + load(x, i, j, part), part); });
  }
  with_columns<T>(x.cols, [&](auto columns) {
    each_block<T>(x.rows, [&](Size first, Size count) {
      const Rows<const T> z = some_rows(x, first, count);
      const Normalization<T> to_hat = normalization(z, columns, epsilon);
      const auto write = [&](auto epilogue) {
        for (Size i = 0; i < count; ++i) {
          const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i];
          each_vector<T>(columns, [&](Size j, auto part) {
            const V hat = (load(z, i, j, part) - mean) * inverse_rho;
            const V value = V::fma(V::load(norm.weight + j, part), hat, V::load(norm.bias + j, part));
            store(y, first + i, j, epilogue(first + i, j, value, part), part);
          });
        }
      };
      if (residual.data) {
        write([&](Size i, Size j, V value, auto part) { return load(residual, i, j, part) + value; });
      } else {
        write([](Size, Size, V value, auto) { return value; });
      }
    });
  });
}

/// dx = (e - mean(e) - x_hat mean(e x_hat)) / rho,  e = dy weight
template <class T, int count>
[[gnu::flatten]] void layer_norm_vjp(Rows<const T> x, NormWeights<T> norm, T epsilon, Rows<const T> dy,
                                     Columns<count> columns, Rows<T> dx, Rows<T> d_weight_rows) {
  using V = Vec<T>;
  constexpr Size most = PerRow<T>::most;
  const Normalization<T> to_hat = normalization(x, columns, epsilon);
  const auto each_element = [&](Size i, auto f) {
    const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i];
    each_vector<T>(columns, [&](Size j, auto part) {
      const V d = load(dy, i, j, part);
      const V hat = only<T>((load(x, i, j, part) - mean) * inverse_rho, part);
      f(j, hat, d, d * V::load(norm.weight + j, part), part);
    });
  };
  V sum_e[most], sum_e_hat[most];
#pragma GCC unroll 1
  for (Size row = 0; row < x.rows; ++row) {
    V total = V::zero(), total_hat = V::zero();
    each_element(row, [&](Size, V hat, V, V e, auto) {
      total = total + e;
      total_hat = V::fma(e, hat, total_hat);
    });
    sum_e[row] = total;
    sum_e_hat[row] = total_hat;
  }
  const PerRow<T> mean_e = means(sum_e, x.rows, columns.n), mean_e_hat = means(sum_e_hat, x.rows, columns.n);
  for (Size i = 0; i < x.rows; ++i) {
    const V inverse_rho = to_hat.inverse_rho[i], of_e = mean_e[i], of_hat = mean_e_hat[i];
    each_element(i, [&](Size j, V hat, V d, V e, auto part) {
      store(dx, i, j, (e - of_e - hat * of_hat) * inverse_rho, part);
      store(d_weight_rows, i, j, d * hat, part);
    });
  }
}

template <class T>
void layer_norm_vjp(Rows<const T> x, NormWeights<T> norm, T epsilon, Rows<const T> dy, Rows<T> dx,
                    Rows<T> d_weight_rows) {
  if (!norm.weight) {
    copy(dy, dx);
    return fill_zero(d_weight_rows);
  }
  with_columns<T>(x.cols, [&](auto columns) {
    each_block<T>(x.rows, [&](Size i, Size rows) {
      layer_norm_vjp<T>(some_rows(x, i, rows), norm, epsilon, some_rows(dy, i, rows), columns, some_rows(dx, i, rows),
                        some_rows(d_weight_rows, i, rows));
    });
  });
}

/// 1 / sqrt(mean(x^2) + epsilon) of one row.
template <class T>
Vec<T> inverse_root_mean_square(const T* x, Size n, T epsilon) {
  Vec<T> total = Vec<T>::zero();
  each_vector<T>(n, [&](Size j, auto part) {
    const Vec<T> v = Vec<T>::load(x + j, part);
    total = Vec<T>::fma(v, v, total);
  });
  return Vec<T>::broadcast(1 / root(sum(total) / static_cast<T>(n) + epsilon));
}

template <class T>
[[gnu::flatten]] void rms_norm(Rows<const T> x, const T* weight, T epsilon, Rows<T> y) {
  using V = Vec<T>;
  for (Size i = 0; i < x.rows; ++i) {
    const V inverse_rms = inverse_root_mean_square(row(x, i), x.cols, epsilon);
    each_vector<T>(x.cols, [&](Size j, auto part) {
      store(y, i, j, V::load(weight + j, part) * (load(x, i, j, part) * inverse_rms), part);
    });
  }
}

/// dx += (e - x_hat mean(e x_hat)) / rms,  e = dy weight,  x_hat = x / rms
template <class T>
[[gnu::flatten]] void rms_norm_vjp(Rows<const T> x, const T* weight, T epsilon, Rows<const T> dy, Rows<T> dx,
                                   Rows<T> d_weight_rows) {
  using V = Vec<T>;
  for (Size i = 0; i < x.rows; ++i) {
    const V inverse_rms = inverse_root_mean_square(row(x, i), x.cols, epsilon);
    const auto each_element = [&](auto f) {
      each_vector<T>(x.cols, [&](Size j, auto part) {
        const V d = load(dy, i, j, part);
        f(j, load(x, i, j, part) * inverse_rms, d, d * V::load(weight + j, part), part);
      });
    };
    V total = V::zero();
    each_element([&](Size, V hat, V, V e, auto) { total = V::fma(e, hat, total); });
    const V mean_e_hat = V::broadcast(sum(total) / static_cast<T>(x.cols));
    each_element([&](Size j, V hat, V d, V e, auto part) {
      store(dx, i, j, V::fma(e - hat * mean_e_hat, inverse_rms, load(dx, i, j, part)), part);
      store(d_weight_rows, i, j, d * hat, part);
    });
  }
}

}  // namespace
}  // namespace ttt::ops
