// SPDX-License-Identifier: MIT
// Hyperparameters of a language model: an aggregate with the paper's defaults.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "ttt/sequence/any.hpp"
#include "ttt/text/token.hpp"

namespace ttt {

/// A language model. The Transformer backbone has share_qk, use_gate and pre_conv off, the Mamba backbone has all on
/// (paper, section 2.7).
struct ModelConfig {
  Index vocab_size = 32000;
  Index hidden_size = 2048;
  Index num_layers = 24;
  Index num_heads = 32;
  std::optional<Index> intermediate_size = {};        // of the SwiGLU; empty: 8/3 hidden_size, rounded up to a
                                                      // multiple of 16 (5504 for 2048, as in the paper)
  SequenceType sequence_type = SequenceType::linear;  // what every block runs, unless `blocks` says otherwise
  Index mini_batch_size = 16;
  std::optional<double> base_lr = {};  // as in TttConfig
  double rope_theta = 10000.0;
  Index conv_kernel = 4;
  bool share_qk = false;
  bool use_gate = false;
  bool pre_conv = false;  // a convolution in front of every sequence layer
  bool tie_word_embeddings = true;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;  // standard deviation of fresh dense weights
  std::optional<Token> pad_token_id = {};
  std::optional<Token> bos_token_id = 1;
  std::optional<Token> eos_token_id = 2;
  Parts parts = {};
  /// A pattern of layers for hybrids: block i runs number i mod its size. {linear, linear, linear, attention} makes
  /// every fourth block attention. Empty: every block runs `sequence_type`.
  std::vector<SequenceConfig> blocks = {};

  /// What block i runs, with a configuration that is complete. Throws ConfigError.
  TTT_EXPORT SequenceConfig block(Index i) const;

  /// The configuration of a layer of this model: what it has in common with the model is the model's.
  template <SequenceLayer S = sequence::Ttt<inner::Linear<float>>>
  typename S::Config layer() const;

  /// f(key, field...) under the keys of the official config.json, for all that these have.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("vocab_size", s.vocab_size...);
    f("hidden_size", s.hidden_size...);
    f("intermediate_size", s.intermediate_size...);
    f("num_hidden_layers", s.num_layers...);
    f("num_attention_heads", s.num_heads...);
    f("ttt_layer_type", s.sequence_type...);
    f("ttt_base_lr", s.base_lr...);
    f("mini_batch_size", s.mini_batch_size...);
    f("rope_theta", s.rope_theta...);
    f("conv_kernel", s.conv_kernel...);
    f("share_qk", s.share_qk...);
    f("use_gate", s.use_gate...);
    f("pre_conv", s.pre_conv...);
    f("tie_word_embeddings", s.tie_word_embeddings...);
    f("rms_norm_eps", s.rms_norm_eps...);
    f("initializer_range", s.initializer_range...);
    f("pad_token_id", s.pad_token_id...);
    f("bos_token_id", s.bos_token_id...);
    f("eos_token_id", s.eos_token_id...);
    f("ttt_ablation", s.parts...);
  }

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

/// Throws ConfigError, naming the field, what it needs and what was found.
TTT_EXPORT void validate(const ModelConfig& config);

/// The same configuration with the empty optionals given their values: `intermediate_size`; `base_lr` where all blocks
/// are one TTT type; and each of `blocks` its whole configuration. `blocks` is empty where it says nothing that
/// `sequence_type` does not.
TTT_EXPORT ModelConfig resolved(ModelConfig config);

template <SequenceLayer S>
typename S::Config ModelConfig::layer() const {
  typename S::Config config;
  S::Config::visit(
      [&]<class Field>(const char* key, Field& field) {
        visit(
            [&]<class Value>(const char* same_key, const Value& value) {
              if constexpr (std::is_same_v<Field, Value>) {
                if (std::strcmp(key, same_key) == 0) field = value;
              }
            },
            *this);
      },
      config);
  return config;
}

}  // namespace ttt
