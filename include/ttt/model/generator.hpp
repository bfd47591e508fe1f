// SPDX-License-Identifier: MIT
// Text out of a model, token by token.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "ttt/export.hpp"
#include "ttt/model/model.hpp"

namespace ttt {

/// How the next token is drawn from logits.
struct SamplerConfig {
  double temperature = 1.0;  // 0: always the likeliest token
  Index top_k = 0;           // draw among the k likeliest only; 0: all
  double top_p = 1.0;        // and among the fewest whose probabilities add up to this
  std::uint64_t seed = 0;
};

/// Draws tokens. The same seed and logits give the same tokens on every platform.
class TTT_EXPORT Sampler {
 public:
  /// Throws ConfigError.
  explicit Sampler(const SamplerConfig& config);

  /// Throws Error if no logit is finite or one is not a number.
  Token operator()(View<const float, 1> logits) { return draw(logits); }
  Token operator()(View<const double, 1> logits) { return draw(logits); }

 private:
  template <class T>
  Token draw(View<const T, 1> logits);

  SamplerConfig config_;
  Rng rng_;
  std::vector<std::pair<double, Token>> candidates_;
};

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

/// The bytes of a text as tokens 0 ... 255, for models whose tokens are bytes.
inline std::vector<Token> bytes(std::string_view text) {
  std::vector<Token> tokens;
  for (const char c : text) tokens.push_back(static_cast<unsigned char>(c));
  return tokens;
}

extern template class TTT_EXPORT BasicGenerator<float>;
extern template class TTT_EXPORT BasicGenerator<double>;

}  // namespace ttt
