// SPDX-License-Identifier: MIT
// Hyperparameters of a TTT layer: an aggregate with the paper's defaults.
#pragma once

#include <optional>

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Which parts of the layer are on: all of them, unless you want the rows of the paper's ablation table (section 3.1)
/// or one of the layers that TTT contains as a special case (section 2.6).
struct Parts {
  bool inner_norm = true;      // layer norm inside the inner model
  bool inner_residual = true;  // f(x) = x + ..., and so the target V - K instead of V
  bool inner_bias = true;      // the inner biases take part in the gradient steps
  bool rotary = true;          // rotary positions inside the mini-batch
  bool learned_rate = true;    // the gate sigmoid(x . theta_lr); off: 1
  bool token_scale = true;     // max(0, 1/(p+1) + learned offset); off: 1
  bool learned_w0 = true;      // off: sequences start at inner weights of zero

  /// f(key, switch...) under the names that config.json has.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("inner_norm", s.inner_norm...);
    f("inner_residual", s.inner_residual...);
    f("inner_bias", s.inner_bias...);
    f("rotary", s.rotary...);
    f("learned_rate", s.learned_rate...);
    f("token_scale", s.token_scale...);
    f("learned_w0", s.learned_w0...);
  }

  friend bool operator==(const Parts&, const Parts&) = default;
};

/// One TTT layer. Symbols: C = hidden_size, H = num_heads, D = C / H, b = mini_batch_size.
struct TttConfig {
  Index hidden_size = 2048;
  Index num_heads = 32;
  Index mini_batch_size = 16;          // tokens of one inner gradient step
  std::optional<double> base_lr = {};  // inner learning rate; empty: the inner model's own (linear 1.0, MLP 0.1)
  double rope_theta = 10000.0;
  Index conv_kernel = 4;  // taps of every convolution
  bool share_qk = false;  // q and k from one projection, through two convolutions
  bool use_gate = false;  // multiply by a GELU gate before the output projection
  Parts parts = {};

  Index head_dim() const { return hidden_size / num_heads; }

  /// f(key, field...) under the keys of the official config.json.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("hidden_size", s.hidden_size...);
    f("num_attention_heads", s.num_heads...);
    f("mini_batch_size", s.mini_batch_size...);
    f("ttt_base_lr", s.base_lr...);
    f("rope_theta", s.rope_theta...);
    f("conv_kernel", s.conv_kernel...);
    f("share_qk", s.share_qk...);
    f("use_gate", s.use_gate...);
    f("ttt_ablation", s.parts...);
  }

  friend bool operator==(const TttConfig&, const TttConfig&) = default;
};

/// Throws ConfigError, naming the field, what it needs and what was found.
TTT_EXPORT void validate(const TttConfig& config);

}  // namespace ttt
