// SPDX-License-Identifier: MIT
// The TTT layer token by token in the primal form: every token has weights of its own, formed explicitly. Plain loops
// in double over one sequence, sharing no arithmetic with the library. Paper sections 2.1 to 2.4 and 2.7.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ttt/sequence/ttt/config.hpp"

namespace ttt::reference {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // rows
using Parameters = std::map<std::string, Vector>;

inline std::size_t size(Index n) { return static_cast<std::size_t>(n); }

/// x W + b
struct Map {
  Matrix W;  // [in][out]
  Vector b;  // [out]
};

inline Vector affine(const Vector& x, const Map& map) {
  Vector z = map.b;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < z.size(); ++j) z[j] += x[i] * map.W[i][j];
  }
  return z;
}

/// x W^T for a dense layer's W [out, in].
inline Vector project(const Vector& x, const Vector& W) {
  Vector y(W.size() / x.size(), 0.0);
  for (std::size_t o = 0; o < y.size(); ++o) {
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += x[i] * W[o * x.size() + i];
  }
  return y;
}

inline double gelu(double a) {
  return 0.5 * a * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (a + 0.044715 * a * a * a)));
}

/// Its derivative as the inner gradient takes it, with the rounded constants of the official implementation.
inline double gelu_slope(double a) {
  const double tau = std::tanh(0.79788456 * a * (1 + 0.044715 * a * a));
  return 0.5 * a * (1 - tau * tau) * (0.79788456 + 0.1070322243 * a * a) + 0.5 * (1 + tau);
}

struct Norm {
  bool on = true;
  Vector weight, bias;
};

struct Normalised {
  Vector hat;
  double deviation;
};

inline Normalised normalise(const Vector& z) {
  const double n = static_cast<double>(z.size());
  double mean = 0, variance = 0;
  for (const double v : z) mean += v / n;
  for (const double v : z) variance += (v - mean) * (v - mean) / n;
  Normalised r{z, std::sqrt(variance + 1e-6)};
  for (double& v : r.hat) v = (v - mean) / r.deviation;
  return r;
}

inline Vector layer_norm(const Vector& z, const Norm& norm) {
  if (!norm.on) return z;
  Vector y = normalise(z).hat;
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = norm.weight[i] * y[i] + norm.bias[i];
  return y;
}

/// d/dz of 1/2 |LN(z) - target|^2
inline Vector reconstruction_gradient(const Vector& z, const Vector& target, const Norm& norm) {
  const double n = static_cast<double>(z.size());
  const Vector y = layer_norm(z, norm);
  Vector g(z.size());
  for (std::size_t i = 0; i < z.size(); ++i) g[i] = y[i] - target[i];
  if (!norm.on) return g;
  const Normalised x = normalise(z);
  double mean = 0, along = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    g[i] *= norm.weight[i];
    mean += g[i] / n;
    along += g[i] * x.hat[i] / n;
  }
  for (std::size_t i = 0; i < z.size(); ++i) g[i] = (g[i] - mean - x.hat[i] * along) / x.deviation;
  return g;
}

/// One head's inner model: maps with a GELU in between, so one map is TTT-Linear and two are TTT-MLP.
struct InnerModel {
  std::vector<Map> maps;
  Norm norm;
  bool residual = true;

  Vector operator()(const Vector& x) const {
    Vector z = affine(x, maps[0]);
    for (std::size_t i = 1; i < maps.size(); ++i) {
      for (double& v : z) v = gelu(v);
      z = affine(z, maps[i]);
    }
    Vector y = layer_norm(z, norm);
    if (residual) {
      for (std::size_t i = 0; i < y.size(); ++i) y[i] += x[i];
    }
    return y;
  }

  double loss(const Vector& k, const Vector& v) const {
    const Vector y = (*this)(k);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += 0.5 * (y[i] - v[i]) * (y[i] - v[i]);
    return sum;
  }

  /// sum += rate * gradient of the loss
  void add_gradient(const Vector& k, const Vector& v, double rate, bool biases, std::vector<Map>& sum) const {
    std::vector<Vector> inputs{k}, outputs;
    for (std::size_t i = 0; i < maps.size(); ++i) {
      outputs.push_back(affine(inputs[i], maps[i]));
      inputs.push_back(outputs[i]);
      for (double& a : inputs.back()) a = gelu(a);
    }
    Vector target = v;
    for (std::size_t i = 0; i < v.size(); ++i) target[i] -= residual ? k[i] : 0;
    Vector G = reconstruction_gradient(outputs.back(), target, norm);
    for (std::size_t i = maps.size(); i-- > 0;) {
      Vector before(inputs[i].size(), 0.0);
      for (std::size_t in = 0; in < before.size(); ++in) {
        for (std::size_t out = 0; out < G.size(); ++out) {
          before[in] += G[out] * maps[i].W[in][out];
          sum[i].W[in][out] += rate * inputs[i][in] * G[out];
        }
      }
      for (std::size_t out = 0; out < G.size(); ++out) sum[i].b[out] += biases ? rate * G[out] : 0;
      if (i == 0) break;
      for (std::size_t in = 0; in < before.size(); ++in) before[in] *= gelu_slope(outputs[i - 1][in]);
      G = before;
    }
  }
};

struct Result {
  Matrix y;                       // [time][hidden_size]
  Matrix initial, before, after;  // inner losses, [heads][time]
  std::vector<InnerModel> heads;  // with the weights after the last full mini-batch
};

/// One sequence from its start. `inner_widths` are those of the hidden layers of the inner model: none, or 4 D.
/// Parameters have the names of checkpoints; config.base_lr is given.
class Layer {
 public:
  Layer(const TttConfig& config, std::vector<Index> inner_widths, Parameters parameters)
      : config_(config), widths_(std::move(inner_widths)), p_(std::move(parameters)) {}

  Result operator()(const Matrix& x, double inner_lr = 1.0) const {
    const std::size_t time = x.size(), H = size(config_.num_heads), D = size(config_.head_dim());
    const std::size_t b = size(config_.mini_batch_size);
    const Parts& on = config_.parts;
    Result r;
    for (std::size_t h = 0; h < H; ++h) r.heads.push_back(initial_model(h));
    const std::vector<InnerModel> first = r.heads;
    for (Matrix* losses : {&r.initial, &r.before, &r.after}) losses->assign(H, Vector(time));
    std::vector<std::vector<Map>> sums(H);  // of rate-weighted gradients, since the last step
    Matrix u;                               // inputs of the two convolutions
    for (std::size_t t = 0; t < time; ++t) {
      const std::size_t position = t % b;
      Vector q = project(x[t], p_.at("q_proj.weight")), k, v = project(x[t], p_.at("v_proj.weight"));
      if (config_.share_qk) {
        u.push_back(q);
        q = convolve(u, "conv_q");
        k = convolve(u, "conv_k");
      } else {
        k = project(x[t], p_.at("k_proj.weight"));
      }
      double scale = 1;
      if (on.token_scale) {
        scale = std::max(0.0, 1.0 / static_cast<double>(position + 1) + p_.at("learnable_token_idx")[position]);
      }
      Vector heads;
      for (std::size_t h = 0; h < H; ++h) {
        const Vector qh = rotated(part(q, h), position), kh = rotated(part(k, h), position), vh = part(v, h);
        const double rate = *config_.base_lr * inner_lr / static_cast<double>(D) * gate(x[t], h);
        if (position == 0) sums[h] = zeros(first[h].maps);
        r.heads[h].add_gradient(kh, vh, rate, on.inner_bias, sums[h]);
        InnerModel updated = r.heads[h];
        for (std::size_t i = 0; i < updated.maps.size(); ++i) {
          for (std::size_t in = 0; in < updated.maps[i].W.size(); ++in) {
            for (std::size_t out = 0; out < updated.maps[i].b.size(); ++out) {
              updated.maps[i].W[in][out] -= scale * sums[h][i].W[in][out];
            }
          }
          for (std::size_t out = 0; out < updated.maps[i].b.size(); ++out) {
            updated.maps[i].b[out] -= scale * sums[h][i].b[out];
          }
        }
        const Vector o = updated(qh);
        heads.insert(heads.end(), o.begin(), o.end());
        r.initial[h][t] = first[h].loss(kh, vh);
        r.before[h][t] = r.heads[h].loss(kh, vh);
        r.after[h][t] = updated.loss(kh, vh);
        if (position + 1 == b) r.heads[h] = updated;
      }
      Vector y = layer_norm(heads, {true, p_.at("post_norm.weight"), p_.at("post_norm.bias")});
      if (config_.use_gate) {
        const Vector g = project(x[t], p_.at("g_proj.weight"));
        for (std::size_t c = 0; c < y.size(); ++c) y[c] *= gelu(g[c]);
      }
      r.y.push_back(project(y, p_.at("o_proj.weight")));
    }
    return r;
  }

 private:
  Vector part(const Vector& all, std::size_t h) const {
    const auto D = config_.head_dim();
    const auto begin = all.begin() + static_cast<Index>(h) * D;
    return Vector(begin, begin + D);
  }

  static std::vector<Map> zeros(std::vector<Map> maps) {
    for (Map& map : maps) {
      for (Vector& row : map.W) row.assign(row.size(), 0.0);
      map.b.assign(map.b.size(), 0.0);
    }
    return maps;
  }

  InnerModel initial_model(std::size_t h) const {
    InnerModel m{{}, {config_.parts.inner_norm, {}, {}}, config_.parts.inner_residual};
    if (m.norm.on) {
      m.norm.weight = part(p_.at("ttt_norm_weight"), h);
      m.norm.bias = part(p_.at("ttt_norm_bias"), h);
    }
    std::vector<Index> widths{config_.head_dim()};
    widths.insert(widths.end(), widths_.begin(), widths_.end());
    widths.push_back(config_.head_dim());
    for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
      const std::size_t in = size(widths[i]), out = size(widths[i + 1]);
      Map map{Matrix(in, Vector(out, 0.0)), Vector(out, 0.0)};
      if (config_.parts.learned_w0) {
        const Vector& W = p_.at("W" + std::to_string(i + 1));
        const Vector& b = p_.at("b" + std::to_string(i + 1));
        for (std::size_t j = 0; j < in; ++j) {
          for (std::size_t l = 0; l < out; ++l) map.W[j][l] = W[(h * in + j) * out + l];
        }
        for (std::size_t l = 0; l < out; ++l) map.b[l] = b[h * out + l];
      }
      m.maps.push_back(map);
    }
    return m;
  }

  /// The newest output of a causal depthwise convolution over all inputs so far.
  Vector convolve(const Matrix& u, const std::string& name) const {
    const Vector& w = p_.at(name + ".weight");
    Vector y = p_.at(name + ".bias");
    const std::size_t k = size(config_.conv_kernel);
    for (std::size_t c = 0; c < y.size(); ++c) {
      for (std::size_t ago = 0; ago < std::min(k, u.size()); ++ago) {
        y[c] += w[c * k + (k - 1 - ago)] * u[u.size() - 1 - ago][c];
      }
    }
    return y;
  }

  Vector rotated(Vector z, std::size_t position) const {
    if (!config_.parts.rotary) return z;
    for (std::size_t m = 0; m < z.size() / 2; ++m) {
      const double angle = static_cast<double>(position) *
                           std::pow(config_.rope_theta, -2.0 * static_cast<double>(m) / static_cast<double>(z.size()));
      const double even = z[2 * m], odd = z[2 * m + 1];
      z[2 * m] = even * std::cos(angle) - odd * std::sin(angle);
      z[2 * m + 1] = even * std::sin(angle) + odd * std::cos(angle);
    }
    return z;
  }

  double gate(const Vector& x, std::size_t h) const {
    if (!config_.parts.learned_rate) return 1;
    double a = p_.at("learnable_ttt_lr_bias")[h];
    for (std::size_t c = 0; c < x.size(); ++c) a += x[c] * p_.at("learnable_ttt_lr_weight")[h * x.size() + c];
    return 1 / (1 + std::exp(-a));
  }

  TttConfig config_;
  std::vector<Index> widths_;
  Parameters p_;
};

}  // namespace ttt::reference
