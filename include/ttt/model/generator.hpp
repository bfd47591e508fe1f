// SPDX-License-Identifier: MIT
// Text out of a model, token by token.
#pragma once

#include "ttt/model/model.hpp"
#include "ttt/model/sampler.hpp"

namespace ttt {

/// Continues one stream of a model, which must outlive it.
template <class T>
class BasicGenerator {
 public:
  explicit BasicGenerator(const BasicModel<T>& model, const SamplerConfig& config = {},
                          const ModelOptions<T>& options = {});
  explicit BasicGenerator(const BasicModel<T>&&, const SamplerConfig& = {}, const ModelOptions<T>& = {}) = delete;

  /// Reads a prompt; more than once if you like.
  void read(View<const Token, 1> tokens);

  /// Draws the next token and reads it. Throws Error if nothing has been read yet.
  Token next();

  /// -log p of each possible next token comes from these. [vocab_size]
  View<const T, 1> logits() const { return logits_[0]; }

 private:
  const BasicModel<T>* model_;
  ModelOptions<T> options_;
  Sampler sampler_;
  ModelState<T> state_;
  Workspace work_;
  Tensor<T, 2> logits_;  // [1, vocab_size], of the last token read
  bool started_ = false;
};

using Generator = BasicGenerator<float>;

extern template class TTT_EXPORT BasicGenerator<float>;
extern template class TTT_EXPORT BasicGenerator<double>;

}  // namespace ttt
