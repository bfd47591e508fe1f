// SPDX-License-Identifier: MIT
// Hyperparameters of softmax attention.
#pragma once

#include <optional>

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Causal softmax attention as in Llama: rotary positions, grouped queries. Symbols: C = hidden_size, H = num_heads,
/// G = number of key/value heads, D = size of a head.
struct AttentionConfig {
  Index hidden_size = 2048;
  Index num_heads = 32;
  std::optional<Index> num_key_value_heads = {};  // G, a divisor of H; empty: H
  std::optional<Index> head_dim = {};             // D, even; empty: C / H
  double rope_theta = 10000.0;
  std::optional<Index> window = {};  // a token sees itself and the window - 1 tokens before; empty: all before

  /// f(key, field...) under the keys of Llama's and Mistral's config.json.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("hidden_size", s.hidden_size...);
    f("num_attention_heads", s.num_heads...);
    f("num_key_value_heads", s.num_key_value_heads...);
    f("head_dim", s.head_dim...);
    f("rope_theta", s.rope_theta...);
    f("sliding_window", s.window...);
  }

  friend bool operator==(const AttentionConfig&, const AttentionConfig&) = default;
};

/// Throws ConfigError, naming the field, what it needs and what was found.
TTT_EXPORT void validate(const AttentionConfig& config);

/// The same with the empty optionals `num_key_value_heads` and `head_dim` given their values.
TTT_EXPORT AttentionConfig resolved(AttentionConfig config);

}  // namespace ttt
