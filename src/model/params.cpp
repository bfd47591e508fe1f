// SPDX-License-Identifier: MIT
// Empty and fresh parameters of a language model.
#include "ttt/model/params.hpp"

#include <algorithm>
#include <span>

namespace ttt {

namespace {

template <class T>
BlockParams<T> zero_block(const ModelConfig& config, const SequenceConfig& layer_config) {
  const Index C = config.hidden_size, I = *config.intermediate_size, k = config.conv_kernel;
  BlockParams<T> block;
  if (config.pre_conv) {
    block.conv_norm = Tensor<T, 1>({C});
    block.conv = {Tensor<T, 3>({C, 1, k}), Tensor<T, 1>({C})};
  }
  block.seq_norm = Tensor<T, 1>({C});
  block.ffn_norm = Tensor<T, 1>({C});
  sequence::with_config<T>(layer_config, [&]<class S, std::size_t number>(sequence::At<S, number>, const auto& layer) {
    block.seq_modeling_block.template emplace<number>(S::Params::zeros(layer));
  });
  block.gate_proj = Dense<T>({I, C});
  block.up_proj = Dense<T>({I, C});
  block.down_proj = Dense<T>({C, I});
  return block;
}

}  // namespace

template <class T>
ModelParams<T> ModelParams<T>::zeros(const ModelConfig& given) {
  const ModelConfig config = resolved(given);
  const Index C = config.hidden_size;
  ModelParams p;
  p.embed_tokens = Dense<T>({config.vocab_size, C});
  for (Index i = 0; i < config.num_layers; ++i) p.layers.push_back(zero_block<T>(config, config.block(i)));
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
  for (std::size_t i = 0; i < p.layers.size(); ++i) {
    BlockParams<T>& block = p.layers[i];
    fill_uniform_taps(block.conv, rng);
    sequence::with_config<T>(config.block(static_cast<Index>(i)), [&]<class S, std::size_t number>(
                                                                      sequence::At<S, number>, const auto& layer) {
      std::get<number>(block.seq_modeling_block) = S::Params::random(layer, config.initializer_range, rng);
    });
    for (Tensor<T, 1>* norm : {&block.conv_norm, &block.seq_norm, &block.ffn_norm}) fill(norm->view(), T(1));
    for (Dense<T>* t : {&block.gate_proj, &block.up_proj, &block.down_proj}) dense(*t);
  }
  fill(p.norm.view(), T(1));
  dense(p.lm_head);
  return p;
}

template <class T>
void ModelParams<T>::check(const ModelConfig& given, const char* what) const {
  const ModelConfig config = resolved(given);
  const auto compare = [&](const auto& name, std::span<const Index> expected, std::span<const Index> found) {
    require<ShapeError>(std::equal(expected.begin(), expected.end(), found.begin(), found.end()), what, ": expected ",
                        name, " of shape ", detail::text(expected), ", found ", detail::text(found));
  };
  const Shape<2> table{config.vocab_size, config.hidden_size};
  compare("model.embed_tokens.weight", table, embed_tokens.shape());
  compare("model.norm.weight", Shape<1>{config.hidden_size}, norm.shape());
  compare("lm_head.weight", config.tie_word_embeddings ? Shape<2>{} : table, lm_head.shape());

  require<ShapeError>(static_cast<Index>(layers.size()) == config.num_layers, what, ": expected ", config.num_layers,
                      " layers, found ", layers.size());
  // One block of zeros at a time, for all layers that are configured alike: a whole model would take a model's memory.
  const std::size_t pattern = std::max<std::size_t>(config.blocks.size(), 1);
  for (std::size_t first = 0; first < pattern; ++first) {
    const BlockParams<T> expected = zero_block<T>(config, config.block(static_cast<Index>(first)));
    for (std::size_t i = first; i < layers.size(); i += pattern) {
      const BlockParams<T>& found = layers[i];
      require<ShapeError>(expected.seq_modeling_block.index() == found.seq_modeling_block.index(), what,
                          ": expected layer ", i, " of the configured type, found another");
      const auto name_of = [&](const auto& name) { return detail::Name("model.layers.", i, ".", name); };
      BlockParams<T>::visit(
          [&](const auto& name, const auto& e, const auto& f) { compare(name_of(name), e.shape(), f.shape()); },
          expected, found);
      BlockParams<T>::visit(
          [&](const auto& name, const auto& f, const auto& e) { compare(name_of(name), e.shape(), f.shape()); }, found,
          expected);
    }
  }
}

template struct ModelParams<float>;
template struct ModelParams<double>;

}  // namespace ttt
