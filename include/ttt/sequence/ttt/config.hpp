// SPDX-License-Identifier: MIT
// Hyperparameters: aggregates with the paper's defaults.
#pragma once

#include <cstdint>
#include <optional>

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Which parts of the layer are on: all of them, unless you want the rows of the paper's ablation table (section 3.1)
/// or one of the layers that TTT contains as a special case (section 2.6).
struct Ablation {
  bool inner_norm = true;      // layer norm inside the inner model
  bool inner_residual = true;  // f(x) = x + ..., and so the target V - K instead of V
  bool inner_bias = true;      // the inner biases take part in the gradient steps
  bool rotary = true;          // rotary positions inside the mini-batch
  bool learned_rate = true;    // the gate sigmoid(x . theta_lr); off: 1
  bool token_scale = true;     // max(0, 1/(p+1) + learned offset); off: 1
  bool learned_w0 = true;      // off: sequences start at inner weights of zero

  friend bool operator==(const Ablation&, const Ablation&) = default;
};

/// One TTT layer. Symbols: C = hidden_size, H = num_heads, D = C / H, b = mini_batch_size.
struct LayerConfig {
  Index hidden_size = 2048;
  Index num_heads = 32;
  Index mini_batch_size = 16;          // tokens of one inner gradient step
  std::optional<double> base_lr = {};  // inner learning rate; empty: the inner model's own (linear 1.0, MLP 0.1)
  double rope_theta = 10000.0;
  Index conv_kernel = 4;  // taps of every convolution
  bool share_qk = false;  // q and k from one projection, through two convolutions
  bool use_gate = false;  // multiply by a GELU gate before the output projection
  Ablation ablation = {};

  Index head_dim() const { return hidden_size / num_heads; }

  friend bool operator==(const LayerConfig&, const LayerConfig&) = default;
};

/// Throws ConfigError, naming the field, what it needs and what was found.
TTT_EXPORT void validate(const LayerConfig& config);

/// The inner model of a language model's layers (`ttt_layer_type`).
enum class LayerType { linear, mlp };

TTT_EXPORT const char* name(LayerType type);

/// A language model. The Transformer backbone has share_qk, use_gate and pre_conv off, the Mamba backbone has all on
/// (paper, section 2.7).
struct ModelConfig {
  Index vocab_size = 32000;
  Index hidden_size = 2048;
  Index num_layers = 24;
  Index num_heads = 32;
  std::optional<Index> intermediate_size = {};  // of the SwiGLU; empty: 8/3 hidden_size, rounded up to a
                                                // multiple of 16 (5504 for 2048, as in the paper)
  LayerType layer_type = LayerType::linear;
  Index mini_batch_size = 16;
  std::optional<double> base_lr = {};  // as in LayerConfig
  double rope_theta = 10000.0;
  Index conv_kernel = 4;
  bool share_qk = false;
  bool use_gate = false;
  bool pre_conv = false;  // a convolution in front of every TTT layer
  bool tie_word_embeddings = true;
  double rms_norm_eps = 1e-6;
  double initializer_range = 0.02;  // standard deviation of fresh dense weights
  std::optional<std::int32_t> pad_token_id = {};
  std::optional<std::int32_t> bos_token_id = 1;
  std::optional<std::int32_t> eos_token_id = 2;
  Ablation ablation = {};

  /// What one of its TTT layers is configured with.
  TTT_EXPORT LayerConfig layer() const;

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

TTT_EXPORT void validate(const ModelConfig& config);

/// The same configuration with the empty optionals `base_lr` and `intermediate_size` given their values.
TTT_EXPORT ModelConfig resolved(ModelConfig config);

}  // namespace ttt
