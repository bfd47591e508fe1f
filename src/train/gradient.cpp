// SPDX-License-Identifier: MIT
// A pass over whole sequences and back.
#include "ttt/train/gradient.hpp"

namespace ttt {

template <class T>
double detail::add_gradient(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                            GradientBuffers<T>& buffers, ModelParams<T>& gradient, const LossOptions& options) {
  auto& [state, d_state, tape, work] = buffers;
  for (ModelStream<T>& stream : state.streams) model.reset(stream);
  for (ModelStream<T>& stream : d_state.streams) set_zero_stream(stream);
  const double loss = model.forward_loss(tokens, targets, state, tape, work, gradient, options);
  model.backward(tape, d_state, work, gradient);
  model.start_vjp(d_state, work, gradient);
  return loss;
}

template <class T>
double loss_and_gradient(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                         ModelParams<T>& gradient, const LossOptions& options) {
  detail::GradientBuffers<T> buffers(model, tokens.rows());
  return detail::add_gradient(model, tokens, targets, buffers, gradient, options);
}

template TTT_EXPORT double detail::add_gradient(const BasicModel<float>&, View<const Token, 2>, View<const Token, 2>,
                                                GradientBuffers<float>&, ModelParams<float>&, const LossOptions&);
template TTT_EXPORT double detail::add_gradient(const BasicModel<double>&, View<const Token, 2>, View<const Token, 2>,
                                                GradientBuffers<double>&, ModelParams<double>&, const LossOptions&);
template TTT_EXPORT double loss_and_gradient(const BasicModel<float>&, View<const Token, 2>, View<const Token, 2>,
                                             ModelParams<float>&, const LossOptions&);
template TTT_EXPORT double loss_and_gradient(const BasicModel<double>&, View<const Token, 2>, View<const Token, 2>,
                                             ModelParams<double>&, const LossOptions&);

}  // namespace ttt
