// SPDX-License-Identifier: MIT
// The two inner models of the paper as one writes them with Eigen, in the dual form, a whole mini-batch at a time.
#pragma once

#include <array>

#include "peers/plain_eigen.hpp"

namespace ttt::bench::plain {

/// One mini-batch, which begins at token `first`.
struct Piece {
  In Q, K, target;      // [b, head_dim]
  const Vector& rate;   // [time]
  const Vector& scale;  // [b]
  const Norm& norm;
  Index first;
};

/// Where a map begins: W [in, out], b [out].
struct Start {
  const float *W, *b;
  Index in, out;
};

/// An affine map and its steps; memory for scores is kept from call to call.
class Map {
 public:
  Map(const Start& start, Index b)
      : W(Eigen::Map<const Matrix>(start.W, start.in, start.out)),
        b_(Eigen::Map<const Row>(start.b, start.out)),
        P_(b, b),
        weights_(b, b) {}

  void apply(const In& x, Out z) const {
    z.noalias() = x * W;
    z.rowwise() += b_;
  }

  void apply_updated(const In& x, const In& X, const In& G, const Vector& scale, Out z) {
    apply(x, z);
    P_.noalias() = x * X.transpose();
    causal_update(P_, G, scale, weights_, z);
  }

  void commit(const In& X, const In& G, float scale) {
    W.noalias() -= scale * X.transpose() * G;
    b_ -= scale * G.colwise().sum();
  }

  Matrix W;

 private:
  Row b_;
  Matrix P_, weights_;
};

class Linear {
 public:
  Linear(const std::array<Start, 1>& start, Index b)
      : layer1_(start[0], b), Z1_(b, layer1_.W.cols()), G1_(b, layer1_.W.cols()) {}

  void mini_batch(const Piece& in, Out out) {
    layer1_.apply(in.K, Z1_);
    reconstruction_gradient(Z1_, in.target, in.norm, in.rate, in.first, G1_);
    layer1_.apply_updated(in.Q, in.K, G1_, in.scale, Z1_);
    layer_norm(Z1_, in.norm, out);
    out += in.Q;
    layer1_.commit(in.K, G1_, in.scale[in.scale.size() - 1]);
  }

 private:
  Map layer1_;
  Matrix Z1_, G1_;
};

class Mlp {
 public:
  Mlp(const std::array<Start, 2>& start, Index b) : layer1_(start[0], b), layer2_(start[1], b) {
    for (Matrix* wide : {&Z1_, &X2_, &d_X2_, &G1_}) wide->resize(b, layer1_.W.cols());
    for (Matrix* narrow : {&Z2_, &G2_}) narrow->resize(b, layer2_.W.cols());
  }

  void mini_batch(const Piece& in, Out out) {
    layer1_.apply(in.K, Z1_);
    gelu(Z1_, X2_);
    layer2_.apply(X2_, Z2_);
    reconstruction_gradient(Z2_, in.target, in.norm, in.rate, in.first, G2_);
    d_X2_.noalias() = G2_ * layer2_.W.transpose();
    gelu_gradient(Z1_, d_X2_, G1_);

    Matrix& X2_bar = d_X2_;
    layer1_.apply_updated(in.Q, in.K, G1_, in.scale, Z1_);
    gelu(Z1_, X2_bar);
    layer2_.apply_updated(X2_bar, X2_, G2_, in.scale, Z2_);
    layer_norm(Z2_, in.norm, out);
    out += in.Q;

    const float scale = in.scale[in.scale.size() - 1];
    layer1_.commit(in.K, G1_, scale);
    layer2_.commit(X2_, G2_, scale);
  }

 private:
  Map layer1_, layer2_;
  Matrix Z1_, X2_, d_X2_, G1_;  // [b, 4 head_dim]
  Matrix Z2_, G2_;              // [b, head_dim]
};

}  // namespace ttt::bench::plain
