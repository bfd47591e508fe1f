// SPDX-License-Identifier: MIT
// Everything that the outer loop trains in a language model, and what the model remembers of a stream.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ttt/model/block.hpp"

namespace ttt {

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
  /// Fresh values. Spec section 12.
  static ModelParams random(const ModelConfig& config, Rng& rng);

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

  /// Number of trained values.
  Index size() const {
    Index n = 0;
    visit([&](const auto&, const auto& t) { n += t.size(); }, *this);
    return n;
  }
};

/// One stream of a language model: block by block.
template <class T>
struct ModelStream {
  std::vector<BlockState<T>> layers;
};

/// The streams of a batch; they may be at different positions, and may be moved in and out. Copies are made by `clone`.
template <class T>
class ModelState {
 public:
  ModelState() = default;
  explicit ModelState(std::vector<ModelStream<T>> all) : streams(std::move(all)) {}
  ModelState(ModelState&&) = default;
  ModelState& operator=(ModelState&&) = default;

  ModelState clone() const { return ModelState(*this); }
  Index batch() const { return static_cast<Index>(streams.size()); }

  std::vector<ModelStream<T>> streams;

 private:
  ModelState(const ModelState&) = default;
};

template <class T>
ModelParams<T> ModelParams<T>::zeros(const ModelConfig& given) {
  const ModelConfig config = resolved(given);
  const Index C = config.hidden_size, I = *config.intermediate_size, k = config.conv_kernel;
  ModelParams p;
  p.embed_tokens = Dense<T>({config.vocab_size, C});
  for (Index i = 0; i < config.num_layers; ++i) {
    BlockParams<T> block;
    if (config.pre_conv) {
      block.conv_norm = Tensor<T, 1>({C});
      block.conv = {Tensor<T, 3>({C, 1, k}), Tensor<T, 1>({C})};
    }
    block.seq_norm = Tensor<T, 1>({C});
    block.ffn_norm = Tensor<T, 1>({C});
    if (config.layer_type == LayerType::linear) {
      block.seq_modeling_block = LayerParams<LinearModel<T>>::zeros(config.layer());
    } else {
      block.seq_modeling_block = LayerParams<MlpModel<T>>::zeros(config.layer());
    }
    block.gate_proj = Dense<T>({I, C});
    block.up_proj = Dense<T>({I, C});
    block.down_proj = Dense<T>({C, I});
    p.layers.push_back(std::move(block));
  }
  p.norm = Tensor<T, 1>({C});
  if (!config.tie_word_embeddings) p.lm_head = Dense<T>({config.vocab_size, C});
  return p;
}

template <class T>
ModelParams<T> ModelParams<T>::random(const ModelConfig& given, Rng& rng) {
  const ModelConfig config = resolved(given);
  ModelParams p = zeros(config);
  const auto dense = [&](Dense<T>& W) { fill_normal(W, config.initializer_range, rng); };
  Tensor<T, 2> embedding(p.embed_tokens.shape());
  fill_normal<T>(values(embedding), config.initializer_range, rng);
  if (config.pad_token_id) fill(embedding[*config.pad_token_id], T(0));
  p.embed_tokens = Dense<T>(embedding);
  for (BlockParams<T>& block : p.layers) {
    fill_uniform_taps(block.conv, rng);
    std::visit(
        [&](auto& layer) {
          layer = std::remove_cvref_t<decltype(layer)>::random(config.layer(), config.initializer_range, rng);
        },
        block.seq_modeling_block);
    for (Tensor<T, 1>* norm : {&block.conv_norm, &block.seq_norm, &block.ffn_norm}) fill(norm->view(), T(1));
    for (Dense<T>* t : {&block.gate_proj, &block.up_proj, &block.down_proj}) dense(*t);
  }
  fill(p.norm.view(), T(1));
  dense(p.lm_head);
  return p;
}

namespace detail {

/// The same for models, whose layers may differ in number and type too.
template <class T>
void check_shapes(const ModelParams<T>& expected, const ModelParams<T>& found, const char* what) {
  bool same = expected.layers.size() == found.layers.size();
  for (std::size_t i = 0; same && i < expected.layers.size(); ++i) {
    same = expected.layers[i].seq_modeling_block.index() == found.layers[i].seq_modeling_block.index();
  }
  require<ShapeError>(same, what, ": expected ", expected.layers.size(), " layers of the model's type, found ",
                      found.layers.size(), " layers or another type");
  check_shapes<ModelParams<T>>(expected, found, what);
}

}  // namespace detail

}  // namespace ttt
