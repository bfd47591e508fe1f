// SPDX-License-Identifier: MIT
// Small language models of both backbones and both inner models, and the whole of what one makes of a text.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "support/laws.hpp"
#include "support/same_bits.hpp"
#include "ttt/model.hpp"

namespace ttt::support {

inline ModelConfig small_model(SequenceType type, bool mamba) {
  return {.vocab_size = 29,
          .hidden_size = 12,
          .num_layers = 2,
          .num_heads = 2,
          .intermediate_size = 20,
          .sequence_type = type,
          .mini_batch_size = 5,
          .rope_theta = 100.0,
          .conv_kernel = 3,
          .share_qk = mamba,
          .use_gate = mamba,
          .pre_conv = mamba,
          .tie_word_embeddings = !mamba};
}

/// Attention with a window in every second block, TTT in the others, and the same with the front convolutions.
inline ModelConfig small_hybrid(bool mamba) {
  ModelConfig config = small_model(SequenceType::linear, mamba);
  config.blocks = {SequenceType::mlp, SequenceConfig::with<SequenceType::attention>(
                                          {.hidden_size = 12, .num_heads = 2, .num_key_value_heads = 1, .window = 9})};
  return config;
}

/// Both inner models in both backbones, one of which ties its embeddings.
inline std::vector<ModelConfig> small_ttt_models() {
  std::vector<ModelConfig> all;
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    for (const bool mamba : {false, true}) all.push_back(small_model(type, mamba));
  }
  return all;
}

/// These, attention, and hybrids.
inline std::vector<ModelConfig> small_models() {
  std::vector<ModelConfig> all = small_ttt_models();
  all.push_back(small_model(SequenceType::attention, false));
  for (const bool mamba : {false, true}) all.push_back(small_hybrid(mamba));
  return all;
}

/// Names of tests whose parameter is one of them.
inline std::string model_name(const testing::TestParamInfo<ModelConfig>& test) {
  const std::string layers = test.param.blocks.empty() ? name(test.param.sequence_type) : "hybrid";
  return layers + (test.param.pre_conv ? "_mamba" : "_transformer");
}

template <class T>
BasicModel<T> random_model(const ModelConfig& config, Rng& rng) {
  return BasicModel<T>(config, random_params(ModelParams<T>::zeros(resolved(config)), rng));
}

inline Tensor<Token, 2> random_tokens(Index batch, Index time, Index vocab_size, Rng& rng) {
  Tensor<Token, 2> tokens({batch, time});
  for (Token& t : tokens) t = static_cast<Token>(rng.below(static_cast<std::uint64_t>(vocab_size)));
  return tokens;
}

template <class T>
void fill_state(ModelState<T>& state, double deviation, Rng& rng) {
  for (ModelStream<T>& stream : state.streams) {
    ModelStream<T>::visit(detail::tensors_only([&](const std::string&, auto& t) {
                            fill_normal<T>({t.data(), {t.size()}}, deviation, rng);
                          }),
                          stream);
  }
}

/// A cotangent of the state that these tokens leave; it has what that state has.
template <class T>
ModelState<T> random_cotangent(const BasicModel<T>& model, View<const Token, 2> tokens, ModelState<T> state,
                               double deviation, Rng& rng) {
  Tensor<T, 2> last({tokens.rows(), model.config().vocab_size});
  Workspace work;
  model.forward_last(tokens, state, work, last);
  fill_state(state, deviation, rng);
  return state;
}

/// All that one training step computes.
template <class T>
struct Step {
  double loss = 0;
  ModelState<T> state, d_state;
  ModelParams<T> gradient;
};

/// Forward and backward over one batch; `d_state` is the cotangent of the state after it.
template <class T>
Step<T> training_step(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                      ModelState<T> state, ModelState<T> d_state, double inner_lr = 1.0) {
  Step<T> step{0, std::move(state), std::move(d_state), ModelParams<T>::zeros(model.config())};
  ModelTape<T> tape;
  Workspace work;
  step.loss = model.forward_loss(tokens, targets, step.state, tape, work, step.gradient, {.inner_lr = inner_lr});
  model.backward(tape, step.d_state, work, step.gradient);
  return step;
}

}  // namespace ttt::support
