// SPDX-License-Identifier: MIT
// The layer as one writes it with Eigen: whole products over the sequence, then head after head.
#include "peers/eigen_layer.hpp"

#include <vector>

#include "peers/plain_inner.hpp"

namespace ttt::bench {

using namespace plain;

class EigenLayer {
 public:
  EigenLayer(const EigenLayerWeights& w, Index time)
      : C_(w.hidden_size),
        H_(w.num_heads),
        D_(C_ / H_),
        b_(w.mini_batch_size),
        q_(matrix(w.q, C_, C_)),
        k_(matrix(w.k, C_, C_)),
        v_(matrix(w.v, C_, C_)),
        o_(matrix(w.o, C_, C_)),
        rate_weight_(matrix(w.rate_weight, H_, C_)),
        W1_(matrix(w.W1, H_ * D_, D_)),
        b1_(matrix(w.b1, H_, D_)),
        rotary_(matrix(w.rotary, b_, 2 * D_)),
        rate_bias_(row(w.rate_bias, H_)),
        rate_factor_(w.rate_factor),
        scale_(Eigen::Map<const Vector>(w.scale, b_)),
        post_norm_{row(w.post_norm_weight, C_), row(w.post_norm_bias, C_)},
        rate_(time, H_) {
    for (Index h = 0; h < H_; ++h) {
      inner_norm_.push_back({row(w.inner_norm_weight + h * D_, D_), row(w.inner_norm_bias + h * D_, D_)});
    }
    for (Matrix* rows : {&Q_, &K_, &target_, &heads_}) rows->resize(time, C_);
  }

  void forward(const float* input, float* output) {
    const Eigen::Map<const Matrix> x(input, Q_.rows(), C_);
    Eigen::Map<Matrix> y(output, Q_.rows(), C_);
    Q_.noalias() = x * q_.transpose();
    K_.noalias() = x * k_.transpose();
    target_.noalias() = x * v_.transpose();
    rotate(Q_);
    rotate(K_);
    target_ -= K_;
    rate_.noalias() = x * rate_weight_.transpose();
    rate_.rowwise() += rate_bias_;
    rate_.array() = rate_factor_ / (1 + (-rate_.array()).exp());
    for (Index h = 0; h < H_; ++h) scan(h);
    layer_norm(heads_, post_norm_, Q_);
    y.noalias() = Q_ * o_.transpose();
  }

 private:
  static Matrix matrix(const float* data, Index rows, Index cols) { return Eigen::Map<const Matrix>(data, rows, cols); }
  static Row row(const float* data, Index n) { return Eigen::Map<const Row>(data, n); }

  /// Neighbouring channels of every head turn together.
  void rotate(Matrix& x) const {
    for (Index t = 0; t < x.rows(); ++t) {
      const float *cosine = rotary_.data() + t % b_ * 2 * D_, *sine = cosine + D_;
      for (Index h = 0; h < H_; ++h) {
        float* head = x.data() + t * C_ + h * D_;
        for (Index c = 0; c < D_; c += 2) {
          const float even = head[c], odd = head[c + 1];
          head[c] = even * cosine[c] + odd * sine[c];
          head[c + 1] = odd * cosine[c + 1] + even * sine[c + 1];
        }
      }
    }
  }

  void scan(Index h) {
    plain::Linear inner({Start{W1_.data() + h * D_ * D_, b1_.data() + h * D_, D_, D_}}, b_);
    const Vector rate = rate_.col(h);
    const auto part = [&](Matrix& rows, Index t) { return rows.block(t, h * D_, b_, D_); };
    for (Index t = 0; t < heads_.rows(); t += b_) {
      inner.mini_batch(
          {part(Q_, t), part(K_, t), part(target_, t), rate, scale_, inner_norm_[static_cast<std::size_t>(h)], t},
          part(heads_, t));
    }
  }

  Index C_, H_, D_, b_;
  Matrix q_, k_, v_, o_, rate_weight_, W1_, b1_, rotary_;
  Row rate_bias_;
  float rate_factor_;
  Vector scale_;
  std::vector<Norm> inner_norm_;
  Norm post_norm_;
  Matrix rate_;                    // [time, H]
  Matrix Q_, K_, target_, heads_;  // [time, C]
};

}  // namespace ttt::bench

using ttt::bench::EigenLayer;

EigenLayer* eigen_layer_new(const ttt::bench::EigenLayerWeights& weights, long time) {
  return new EigenLayer(weights, time);
}

void eigen_layer_forward(EigenLayer* layer, const float* x, float* y) { layer->forward(x, y); }

void eigen_layer_delete(EigenLayer* layer) { delete layer; }
