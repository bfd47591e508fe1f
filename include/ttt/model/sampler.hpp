// SPDX-License-Identifier: MIT
// Drawing the next token from logits.
#pragma once

#include <utility>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/export.hpp"
#include "ttt/text/token.hpp"

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

}  // namespace ttt
