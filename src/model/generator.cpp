// SPDX-License-Identifier: MIT
// Reading a prompt and drawing what follows.
#include "ttt/model/generator.hpp"

#include <utility>

namespace ttt {

template <class T>
BasicGenerator<T>::BasicGenerator(const BasicModel<T>& model, const SamplerConfig& config,
                                  const GeneratorOptions& options)
    : BasicGenerator(model, model.start(1), config, options) {}

template <class T>
BasicGenerator<T>::BasicGenerator(const BasicModel<T>& model, ModelState<T> state, const SamplerConfig& config,
                                  const GeneratorOptions& options)
    : model_(&model),
      options_(options),
      sampler_(config),
      state_(std::move(state)),
      logits_({1, model.config().vocab_size}) {
  require<ShapeError>(state_.batch() == 1, "expected a state of 1 stream, found ", state_.batch());
  detail::check_inner_lr(options.inner_lr);
}

template <class T>
void BasicGenerator<T>::read(View<const Token, 1> tokens) {
  if (tokens.size() == 0) return;
  const std::size_t before = unread_.size();
  unread_.insert(unread_.end(), tokens.begin(), tokens.end());
  try {
    read_all();
  } catch (...) {
    unread_.resize(before);
    throw;
  }
  finished_ = false;
}

template <class T>
std::optional<Token> BasicGenerator<T>::next() {
  if (finished_) return {};
  if (!unread_.empty()) read_all();
  require(started_, "expected a prompt of at least one token to be read first");
  const Token token = sampler_(logits());
  finished_ = !options_.ignore_eos && token == model_->config().eos_token_id;
  if (finished_) return {};
  unread_.push_back(token);
  return token;
}

/// Reads what is unread.
template <class T>
void BasicGenerator<T>::read_all() {
  ModelOptions<T> options;
  options.inner_lr = options_.inner_lr;
  model_->forward_last(View<const Token, 2>(unread_.data(), {1, static_cast<Index>(unread_.size())}), state_, work_,
                       logits_, options);
  unread_.clear();
  started_ = true;
}

template class BasicGenerator<float>;
template class BasicGenerator<double>;

}  // namespace ttt
