// SPDX-License-Identifier: MIT
// Empty and fresh parameters of a language model.
#include "ttt/model/params.hpp"

namespace ttt {

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
    sequence::with_config<T>(config.block(i),
                             [&]<class S, std::size_t number>(sequence::At<S, number>, const auto& layer) {
                               block.seq_modeling_block.template emplace<number>(S::Params::zeros(layer));
                             });
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

template struct ModelParams<float>;
template struct ModelParams<double>;

}  // namespace ttt
