// SPDX-License-Identifier: MIT
// Reading a prompt and drawing what follows.
#include "ttt/model/generator.hpp"

namespace ttt {

template <class T>
BasicGenerator<T>::BasicGenerator(const BasicModel<T>& model, const SamplerConfig& config,
                                  const ModelOptions<T>& options)
    : model_(&model),
      options_(options),
      sampler_(config),
      state_(model.start(1)),
      logits_({1, model.config().vocab_size}) {}

template <class T>
void BasicGenerator<T>::read(View<const Token, 1> tokens) {
  if (tokens.size() == 0) return;
  model_->forward_last(View<const Token, 2>(tokens.data(), {1, tokens.size()}), state_, work_, logits_, options_);
  started_ = true;
}

template <class T>
Token BasicGenerator<T>::next() {
  require(started_, "expected a prompt of at least one token to be read first");
  const Token token = sampler_(logits());
  read(View<const Token, 1>(&token, {1}));
  return token;
}

template class BasicGenerator<float>;
template class BasicGenerator<double>;

}  // namespace ttt
