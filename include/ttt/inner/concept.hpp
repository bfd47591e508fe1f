// SPDX-License-Identifier: MIT
// What an inner model is: a chain of trained affine maps with fixed functions in between, ending in `readout`.
//
// A model of your own says how wide its maps are and writes `extend` and `extend_vjp`. In a Ttt layer it then streams,
// takes gradient steps, has gradients of everything and uses all threads, as the two models of the paper do. See
// OWN_MODEL.md.
#pragma once

#include <array>
#include <concepts>
#include <string>

#include "ttt/inner/affine.hpp"
#include "ttt/inner/readout.hpp"

namespace ttt::inner {

/// The hidden state of one head: one entry for each affine map of M.
template <class M>
using HeadState = std::array<InnerAffine<typename M::Scalar>, M::depth>;

/// What `extend` computes of one map for the new rows, and leaves to `extend_vjp`.
template <class T>
struct AffineTrace {
  View<T> Z;      // [n, out]  under the weights of the last step, of the keys
  View<T> Z_bar;  // [n, out]  under the weights after the token's own gradient, of the queries
  View<T> X_bar;  // [n, in]   what the queries put into the map; none of the first map, which takes Q
  View<T> S;      // [n, in]   G W^T, the inner gradient with respect to the map's inputs; none of the first map
};

/// What `extend` leaves to `extend_vjp`: one entry for each affine map of M.
template <class M>
using Trace = std::array<AffineTrace<typename M::Scalar>, M::depth>;

/// Rows whose sums over all tokens are the gradients of the inner norm's weight and bias.
template <class T>
struct NormGradientRows {
  View<T> weight, bias;  // [n, head_dim]
};

/// What is trained while a sequence is read. All members are static: the weights are in HeadState. What each does
/// stands with it in concept.hpp.
template <class M>
concept InnerModel = std::floating_point<typename M::Scalar> &&
    requires(const HeadState<M>& state, const HeadSettings<typename M::Scalar>& head,
             const MiniBatch<typename M::Scalar>& in, const Trace<M>& trace, View<typename M::Scalar> out,
             View<const typename M::Scalar> d_out, const HeadState<M>& d_state,
             const Tokens<typename M::Scalar>& d_tokens, const NormGradientRows<typename M::Scalar>& d_norm,
             Workspace& scratch, Index head_dim) {
  /// Number of affine maps; map i has parameters W{i+1} and b{i+1}.
  { M::depth } -> std::convertible_to<std::size_t>;
  /// Their widths; the first takes head_dim, the last gives head_dim.
  { M::shapes(head_dim) } -> std::same_as<std::array<AffineShape, M::depth>>;
  /// The inner learning rate that the paper gives such a model.
  { M::default_base_lr } -> std::convertible_to<double>;
  /// Reads the next rows of the open mini-batch: fills X and G of every map at rows in.open ..., and writes the
  /// outputs, computed with weights that include each token's own gradient.
  M::extend(state, head, in, trace, out, scratch);
  /// Adjoint of `extend`. Adds to d_state (W and b; X and G of all open rows), adds to d_tokens.scale, writes the rest
  /// of d_tokens and d_norm. On return what d_state holds of the new rows has no meaning.
  M::extend_vjp(state, head, in, trace, d_out, d_state, d_tokens, d_norm, scratch);
};

/// The weights of an inner model in all heads. Initial weights (parameters) and current ones (hidden state) have this
/// type.
template <class M>
struct Weights {
  using T = typename M::Scalar;

  std::array<Affine<T>, M::depth> maps;

  static Weights zeros(Index heads, Index head_dim) {
    Weights w;
    const auto shapes = M::shapes(head_dim);
    for (std::size_t i = 0; i < M::depth; ++i) w.maps[i] = Affine<T>::zeros(heads, shapes[i]);
    return w;
  }

  /// Names and tensors as in the official checkpoints: W1, b1, W2, b2, ...
  template <class F, class... S>
  static void visit(F f, S&... s) {
    for (std::size_t i = 0; i < M::depth; ++i) {
      f("W" + std::to_string(i + 1), s.maps[i].W...);
      f("b" + std::to_string(i + 1), s.maps[i].b...);
    }
  }
};

}  // namespace ttt::inner

namespace ttt {

using inner::InnerModel;

}  // namespace ttt
