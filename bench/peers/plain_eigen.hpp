// SPDX-License-Identifier: MIT
// The same mathematics as one writes it with Eigen, sizes known at run time.
#pragma once

#include <Eigen/Core>
#include <cmath>

#include "ttt/ops/kernels.hpp"
#include "ttt/ops/ops.hpp"

namespace ttt::bench::plain {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXf;
using Row = Eigen::RowVectorXf;
using In = Eigen::Ref<const Matrix>;
using Out = Eigen::Ref<Matrix>;

inline constexpr float epsilon = static_cast<float>(ops::layer_norm_epsilon);

struct Norm {
  Row weight, bias;
};

/// Row t of z_hat = (z - mean) / rho, rho^2 = variance + epsilon. Gives 1 / rho.
inline float normalize(const In& Z, Index t, Out z_hat) {
  z_hat.row(t) = Z.row(t).array() - Z.row(t).mean();
  const float inverse_rho = 1 / std::sqrt(z_hat.row(t).squaredNorm() / static_cast<float>(Z.cols()) + epsilon);
  z_hat.row(t) *= inverse_rho;
  return inverse_rho;
}

inline void layer_norm(const In& Z, const Norm& norm, Out y) {
  for (Index t = 0; t < Z.rows(); ++t) {
    normalize(Z, t, y);
    y.row(t).array() = y.row(t).array() * norm.weight.array() + norm.bias.array();
  }
}

/// G_t = rate_t d/dZ_t of 1/2 |LN(Z_t) - target_t|^2
inline void reconstruction_gradient(const In& Z, const In& target, const Norm& norm, const Vector& rate, Index first,
                                    Out G) {
  const auto weight = norm.weight.array(), bias = norm.bias.array();
  for (Index t = 0; t < Z.rows(); ++t) {
    const float inverse_rho = normalize(Z, t, G);
    const auto z_hat = G.row(t).array();
    const auto u = weight * (weight * z_hat + bias - target.row(t).array());
    const float mean_u = u.mean(), mean_u_hat = (u * z_hat).mean();
    G.row(t).array() = (u - mean_u - z_hat * mean_u_hat) * (inverse_rho * rate[first + t]);
  }
}

inline void gelu(const In& z, Out y) {
  const auto a = z.array();
  y.array() = 0.5f * a * (1 + (0.79788456f * a * (1 + 0.044715f * a.square())).tanh());
}

/// g = s * gelu'(z)
inline void gelu_gradient(const In& z, const In& s, Out g) {
  const auto a = z.array();
  g.array() = (0.79788456f * a * (1 + 0.044715f * a.square())).tanh();
  const auto tau = g.array();
  g.array() =
      s.array() * (0.5f * a * (1 - tau.square()) * (0.79788456f + 0.1070322243f * a.square()) + 0.5f * (1 + tau));
}

/// Z_t -= scale_t sum_{s <= t} (P_ts + 1) G_s
inline void causal_update(const In& P, const In& G, const Vector& scale, Out weights, Out Z) {
  weights.array() = (P.array() + 1).colwise() * scale.array();
  weights.triangularView<Eigen::StrictlyUpper>().setZero();
  Z.noalias() -= weights * G;
}

/// loss_t = -log softmax(logits_t)[target_t]; logits become factor * (softmax - one_hot).
inline void cross_entropy(Out logits, const std::int32_t* target, float factor, float* loss) {
  for (Index t = 0; t < logits.rows(); ++t) {
    auto x = logits.row(t).array();
    const float most = x.maxCoeff(), at_target = x[target[t]];
    x = (x - most).exp();
    const float partition = x.sum();
    x *= factor / partition;
    x[target[t]] -= factor;
    loss[t] = std::log(partition) + most - at_target;
  }
}

inline void adamw(const ops::AdamwStep& step, const In& gradient, Out p, Out m, Out v) {
  const auto real = [](double x) { return static_cast<float>(x); };
  const auto g = gradient.array() * real(step.gradient_factor);
  m.array() = real(step.beta1) * m.array() + real(1 - step.beta1) * g;
  v.array() = real(step.beta2) * v.array() + real(1 - step.beta2) * g.square();
  p.array() = real(1 - step.rate * step.weight_decay) * p.array() -
              real(step.rate / step.correction1) * m.array() /
                  ((v.array() * real(1 / step.correction2)).sqrt() + real(step.epsilon));
}

}  // namespace ttt::bench::plain
