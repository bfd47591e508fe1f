// SPDX-License-Identifier: MIT
// Layer norm and RMS norm of rows, with their adjoints. Nothing is written before all sums of a row are known, so the
// result may take the place of an operand.
#pragma once

#include "kernels/common.hpp"
#include "kernels/row_block.hpp"
#include "kernels/rows.hpp"

namespace ttt {
namespace {

template <class T>
void fill_zero(Rows<T> x) {
  each_vector<T>(x, [&](Size i, Size j, auto part) { store(x, i, j, Vec<T>::zero(), part); });
}

/// sum_j f(j, part) / n over the elements of a row, as a vector of equal lanes.
template <class T, class F>
Vec<T> mean(Size n, F f) {
  Vec<T> total = Vec<T>::zero();
  each_vector<T>(n, [&](Size j, auto part) { total = total + only<T>(f(j, part), part); });
  return Vec<T>::broadcast(sum(total) / static_cast<T>(n));
}

/// 1 / sqrt(mean(f^2) + epsilon)
template <class T, class F>
Vec<T> inverse_deviation(Size n, T epsilon, F f) {
  Vec<T> total = Vec<T>::zero();
  each_vector<T>(n, [&](Size j, auto part) {
    const Vec<T> x = only<T>(f(j, part), part);
    total = Vec<T>::fma(x, x, total);
  });
  return Vec<T>::broadcast(1 / root(sum(total) / static_cast<T>(n) + epsilon));
}

/// One row z and what turns it into z_hat = (z - mean) / rho.
template <class T>
struct NormalizedRow {
  const T* z;
  Vec<T> mean, inverse_rho;

  NormalizedRow(const T* row, Size n, T epsilon) : z(row) {
    mean = ttt::mean<T>(n, [&](Size j, auto part) { return Vec<T>::load(z + j, part); });
    inverse_rho = inverse_deviation<T>(n, epsilon, [&](Size j, auto part) { return Vec<T>::load(z + j, part) - mean; });
  }

  template <class Part>
  Vec<T> hat(Size j, Part part) const {
    return (Vec<T>::load(z + j, part) - mean) * inverse_rho;
  }
};

template <class T>
void layer_norm(Rows<const T> x, NormWeights<T> norm, T epsilon, Rows<const T> residual, Rows<T> y) {
  using V = Vec<T>;
  if (!norm.weight) {
    copy(x, y);
    if (residual.data) add(residual, y);
    return;
  }
  with_columns<T>(x.cols, [&](auto columns) {
    each_block<T>(x.rows, [&](Size first, Size count) {
      const Rows<const T> z = {row(x, first), count, x.cols, x.stride};
      const Normalization<T> to_hat = normalization(z, columns, epsilon);
      const auto write = [&](auto finish) {
        for (Size i = 0; i < count; ++i) {
          const V mean = to_hat.mean[i], inverse_rho = to_hat.inverse_rho[i];
          each_vector<T>(columns, [&](Size j, auto part) {
            const V hat = (load(z, i, j, part) - mean) * inverse_rho;
            const V value = V::fma(V::load(norm.weight + j, part), hat, V::load(norm.bias + j, part));
            store(y, first + i, j, finish(first + i, j, value, part), part);
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
template <class T>
void layer_norm_vjp(Rows<const T> x, NormWeights<T> norm, T epsilon, Rows<const T> dy, Rows<T> dx,
                    Rows<T> d_weight_rows) {
  using V = Vec<T>;
  if (!norm.weight) {
    copy(dy, dx);
    return fill_zero(d_weight_rows);
  }
  for (Size i = 0; i < x.rows; ++i) {
    const NormalizedRow<T> z(row(x, i), x.cols, epsilon);
    const auto e = [&](Size j, auto part) { return load(dy, i, j, part) * V::load(norm.weight + j, part); };
    const V mean_e = mean<T>(x.cols, e);
    const V mean_e_hat = mean<T>(x.cols, [&](Size j, auto part) { return e(j, part) * z.hat(j, part); });
    each_vector<T>(x.cols, [&](Size j, auto part) {
      const V hat = z.hat(j, part), d = load(dy, i, j, part);
      const V d_hat = e(j, part) - mean_e - hat * mean_e_hat;
      store(dx, i, j, d_hat * z.inverse_rho, part);
      store(d_weight_rows, i, j, d * hat, part);
    });
  }
}

template <class T>
void rms_norm(Rows<const T> x, const T* weight, T epsilon, Rows<T> y) {
  using V = Vec<T>;
  for (Size i = 0; i < x.rows; ++i) {
    const auto at = [&](Size j, auto part) { return load(x, i, j, part); };
    const V inverse_rms = inverse_deviation<T>(x.cols, epsilon, at);
    each_vector<T>(x.cols, [&](Size j, auto part) {
      store(y, i, j, V::load(weight + j, part) * (at(j, part) * inverse_rms), part);
    });
  }
}

/// dx += (e - x_hat mean(e x_hat)) / rms,  e = dy weight,  x_hat = x / rms
template <class T>
void rms_norm_vjp(Rows<const T> x, const T* weight, T epsilon, Rows<const T> dy, Rows<T> dx, Rows<T> d_weight_rows) {
  using V = Vec<T>;
  for (Size i = 0; i < x.rows; ++i) {
    const V inverse_rms = inverse_deviation<T>(x.cols, epsilon, [&](Size j, auto part) { return load(x, i, j, part); });
    const auto hat = [&](Size j, auto part) { return load(x, i, j, part) * inverse_rms; };
    const auto e = [&](Size j, auto part) { return load(dy, i, j, part) * V::load(weight + j, part); };
    const V mean_e_hat = mean<T>(x.cols, [&](Size j, auto part) { return e(j, part) * hat(j, part); });
    each_vector<T>(x.cols, [&](Size j, auto part) {
      const V x_hat = hat(j, part), d = load(dy, i, j, part);
      const V d_hat = e(j, part) - x_hat * mean_e_hat;
      store(dx, i, j, V::fma(d_hat, inverse_rms, load(dx, i, j, part)), part);
      store(d_weight_rows, i, j, d * x_hat, part);
    });
  }
}

}  // namespace
}  // namespace ttt
