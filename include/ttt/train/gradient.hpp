// SPDX-License-Identifier: MIT
// Loss and gradient of whole sequences.
#pragma once

#include "ttt/export.hpp"
#include "ttt/model/model.hpp"

namespace ttt {

namespace detail {

/// What computing gradients reuses from call to call.
template <class T>
struct GradientBuffers {
  GradientBuffers(const BasicModel<T>& model, Index sequences)
      : state(model.zeros(sequences)), d_state(model.zeros(sequences)) {}

  ModelState<T> state, d_state;
  ModelTape<T> tape;
  Workspace work;
};

/// `loss_and_gradient`, without allocating on the second call.
template <class T>
TTT_EXPORT double add_gradient(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                               GradientBuffers<T>& buffers, ModelParams<T>& gradient, const LossOptions& options);

}  // namespace detail

/// Loss of whole sequences from fresh states, in nats per token, adding its gradient to `gradient`. tokens, targets:
/// [sequences, time]. Throws ShapeError and TokenError as `BasicModel::forward_loss` does.
template <class T>
TTT_EXPORT double loss_and_gradient(const BasicModel<T>& model, View<const Token, 2> tokens,
                                    View<const Token, 2> targets, ModelParams<T>& gradient,
                                    const LossOptions& options = {});

}  // namespace ttt
