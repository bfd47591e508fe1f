// SPDX-License-Identifier: MIT
// Everything that the outer loop trains in a language model.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ttt/model/config.hpp"
#include "ttt/ops/conv.hpp"
#include "ttt/ops/parameters.hpp"

namespace ttt {

/// Parameters of one block, under the names of the official checkpoints. C = hidden_size, I = intermediate_size.
template <class T>
struct BlockParams {
  Tensor<T, 1> conv_norm;  // [C]; this and conv: pre_conv
  ConvParams<T> conv;
  Tensor<T, 1> seq_norm, ffn_norm;            // [C]
  sequence::AnyParams<T> seq_modeling_block;  // of the sequence layer
  Dense<T> gate_proj, up_proj;                // [I, C]
  Dense<T> down_proj;                         // [C, I]

  template <class F, class First, class... Rest>
  static void visit(F f, First& first, Rest&... rest) {
    if (!first.conv_norm.empty()) {
      f("conv.norm.weight", first.conv_norm, rest.conv_norm...);
      f("conv.conv.weight", first.conv.weight, rest.conv.weight...);
      f("conv.conv.bias", first.conv.bias, rest.conv.bias...);
    }
    f("seq_norm.weight", first.seq_norm, rest.seq_norm...);
    f("ffn_norm.weight", first.ffn_norm, rest.ffn_norm...);
    sequence::visit_alike(
        [&](auto& layer, auto&... others) {
          std::remove_cvref_t<decltype(layer)>::visit(
              [&](const auto& name, auto&... t) { f(detail::Name("seq_modeling_block.", name), t...); }, layer,
              others...);
        },
        first.seq_modeling_block, rest.seq_modeling_block...);
    f("mlp.gate_proj.weight", first.gate_proj, rest.gate_proj...);
    f("mlp.up_proj.weight", first.up_proj, rest.up_proj...);
    f("mlp.down_proj.weight", first.down_proj, rest.down_proj...);
  }
};

/// Parameters of a language model, under the names of the official checkpoints. Gradients and optimizer moments have
/// this type too. C = hidden_size, V = vocab_size.
template <class T>
struct ModelParams {
  Dense<T> embed_tokens;  // [V, C]
  std::vector<BlockParams<T>> layers;
  Tensor<T, 1> norm;  // [C]
  Dense<T> lm_head;   // [V, C]; not tie_word_embeddings

  /// Throws ConfigError.
  static ModelParams zeros(const ModelConfig& config);
  /// Fresh values.
  static ModelParams random(const ModelConfig& config, Rng& rng);

  /// Throws ShapeError, naming the tensor, unless these are the tensors of a model of this configuration; ConfigError.
  void check(const ModelConfig& config, const char* what) const;

  /// f(name, tensor...) for every tensor, over one, two or more parameter structs at a time.
  template <class F, class First, class... Rest>
  static void visit(F f, First& first, Rest&... rest) {
    f("model.embed_tokens.weight", first.embed_tokens, rest.embed_tokens...);
    for (std::size_t i = 0; i < first.layers.size(); ++i) {
      std::remove_cvref_t<decltype(first.layers[i])>::visit(
          [&](const auto& name, auto&... t) { f(detail::Name("model.layers.", i, ".", name), t...); }, first.layers[i],
          rest.layers[i]...);
    }
    f("model.norm.weight", first.norm, rest.norm...);
    if (!first.lm_head.empty()) f("lm_head.weight", first.lm_head, rest.lm_head...);
  }

  /// Throws ShapeError unless the layers agree in number and type, so that they can be visited together.
  static void check_alike(const ModelParams& expected, const ModelParams& found, const char* what) {
    require<ShapeError>(expected.layers.size() == found.layers.size(), what, ": expected ", expected.layers.size(),
                        " layers, found ", found.layers.size());
    for (std::size_t i = 0; i < expected.layers.size(); ++i) {
      require<ShapeError>(expected.layers[i].seq_modeling_block.index() == found.layers[i].seq_modeling_block.index(),
                          what, ": expected layer ", i, " of the model's type, found another");
    }
  }
};

extern template struct TTT_EXPORT ModelParams<float>;
extern template struct TTT_EXPORT ModelParams<double>;

}  // namespace ttt
