// SPDX-License-Identifier: MIT
// Text out of a model, token by token.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "ttt/model/model.hpp"
#include "ttt/model/sampler.hpp"

namespace ttt {

/// How a generator reads, and where it stops.
struct GeneratorOptions {
  double inner_lr = 1.0;    // as in ModelOptions
  bool ignore_eos = false;  // true: eos_token_id is a token like any other
};

/// Continues one stream of a model, which must outlive it.
template <class T>
class BasicGenerator {
 public:
  /// Begins a text. Throws ConfigError.
  explicit BasicGenerator(const BasicModel<T>& model, const SamplerConfig& config = {},
                          const GeneratorOptions& options = {});
  /// Goes on from a state of one stream. Throws ShapeError for another number of streams; a state of another model is
  /// refused by the first `read`.
  BasicGenerator(const BasicModel<T>& model, ModelState<T> state, const SamplerConfig& config = {},
                 const GeneratorOptions& options = {});
  explicit BasicGenerator(const BasicModel<T>&&, const SamplerConfig& = {}, const GeneratorOptions& = {}) = delete;
  BasicGenerator(const BasicModel<T>&&, ModelState<T>, const SamplerConfig& = {},
                 const GeneratorOptions& = {}) = delete;

  /// Reads a prompt; more than once if you like, and also after the end. Throws TokenError, and then nothing changes.
  void read(View<const Token, 1> tokens);

  /// Draws the next token. None at the end, which is where the model's eos_token_id is drawn; it is not read, and until
  /// more is, nothing follows. Throws Error if nothing has been read yet.
  std::optional<Token> next();

  /// -log p of each possible token comes from these: what `next` drew from, or after `read`, what it draws from next.
  /// [vocab_size]
  View<const T, 1> logits() const { return logits_[0]; }

  /// After all that was read, and all that was drawn but for the last token, which only the next call reads. A
  /// generator that takes the state and reads that token goes on as this one does.
  const ModelState<T>& state() const& { return state_; }
  ModelState<T> state() && { return std::move(state_); }

 private:
  void read_all();

  const BasicModel<T>* model_;
  GeneratorOptions options_;
  Sampler sampler_;
  ModelState<T> state_;
  Workspace work_;
  Tensor<T, 2> logits_;        // [1, vocab_size], of the last token read
  std::vector<Token> unread_;  // the token drawn last
  bool started_ = false, finished_ = false;
};

using Generator = BasicGenerator<float>;

extern template class TTT_EXPORT BasicGenerator<float>;
extern template class TTT_EXPORT BasicGenerator<double>;

}  // namespace ttt
