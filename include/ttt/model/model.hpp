// SPDX-License-Identifier: MIT
// The language model: embedding, blocks, head.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "ttt/model/block.hpp"
#include "ttt/model/state.hpp"

namespace ttt {

/// Options of one forward pass of a model.
template <class T>
struct ModelOptions {
  double inner_lr = 1.0;                          // multiplies the inner learning rate; 0 freezes the inner models
  std::vector<InnerLosses<T>>* losses = nullptr;  // filled if given, layer by layer
  std::vector<Tensor<T, 3>>* hidden = nullptr;    // filled if given: after each block, then after the last norm;
                                                  // what lies beyond a stream's length has no meaning
  std::span<const Index> lengths = {};            // tokens of each stream; empty: all. What lies beyond changes nothing
};

/// Options of a loss that is taken back.
struct LossOptions {
  double weight = 1.0;    // multiplies the gradient, not the loss
  double inner_lr = 1.0;  // as in ModelOptions
  std::span<const Index> lengths = {};
};

/// What `backward` needs of one forward pass of a model. Reusable, as LayerTape is.
template <class T>
class ModelTape {
 public:
  ModelTape() = default;
  ModelTape(const ModelTape&) = delete;
  ModelTape& operator=(const ModelTape&) = delete;

  Index bytes() const { return memory_.bytes(); }

 private:
  template <class>
  friend class BasicModel;

  Workspace memory_;
  std::optional<Frame> frame_;  // stands on memory_
  ModelConfig config_;          // of the model
  Streams streams_;
  std::vector<detail::BlockRecord<T>> blocks_;
  bool complete_ = false;        // a forward pass came to its end
  View<Token, 1> tokens_;        // [rows]
  View<T> norm_x_, d_norm_out_;  // [rows, C]: input of the last norm, cotangent of its output
};

/// A language model. Const in use: any number of threads may run one model at a time, each with a state and a workspace
/// of its own.
template <class T>
class BasicModel {
 public:
  using Scalar = T;
  using Params = ModelParams<T>;
  using State = ModelState<T>;
  using Tape = ModelTape<T>;
  using Options = ModelOptions<T>;

  /// A fresh model. Throws ConfigError.
  BasicModel(const ModelConfig& config, Rng& rng);
  /// A model with these parameters. Throws ConfigError; ShapeError naming the tensor.
  BasicModel(const ModelConfig& config, Params params);
  BasicModel(BasicModel&&) = default;
  BasicModel& operator=(BasicModel&&) = default;

  BasicModel clone() const { return BasicModel(config_, Params(params_)); }

  /// As given, and resolved.
  const ModelConfig& config() const { return config_; }
  const Params& params() const { return params_; }
  Params& params() { return params_; }

  /// Streams at position 0.
  State start(Index batch) const;
  /// Puts one stream back to position 0.
  void reset(ModelStream<T>& stream) const;
  /// A state of zeros, as a cotangent to start a backward pass with.
  State zeros(Index batch) const;

  /// Reads tokens [batch, time], which continue every stream, and writes logits [batch, time, vocab_size]. The same
  /// bits however a sequence is cut into calls, whatever the batch, and with any number of threads. With
  /// options.lengths, streams end earlier than `tokens`: what stands beyond is not read, and logits there stay as they
  /// are. Throws ShapeError, and TokenError for a token outside the vocabulary, before anything changes.
  void forward(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 3> logits,
               const Options& options = {}) const;

  /// As `forward`, with the logits of the last token of every stream alone, [batch, vocab_size]; those of a stream of
  /// length 0 stay as they are.
  void forward_last(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 2> logits,
                    const Options& options = {}) const;

  /// As `forward`, with the loss -log p(target) of every token instead of logits; 0 where the target is
  /// `ignored_target`.
  void token_losses(View<const Token, 2> tokens, View<const Token, 2> targets, State& state, Workspace& work,
                    View<T, 2> losses, const Options& options = {}) const;

  /// Logits of whole sequences, from a fresh state.
  Tensor<T, 3> operator()(View<const Token, 2> tokens) const;

  /// The mean loss over all targets that are not ignored, keeping in `tape` what `backward` needs. The gradient is that
  /// of options.weight times the loss; the head's part of it is added to `gradient` here, where the logits are at hand.
  double forward_loss(View<const Token, 2> tokens, View<const Token, 2> targets, State& state, Tape& tape,
                      Workspace& work, Params& gradient, const LossOptions& options = {}) const;

  /// The adjoint of `forward_loss`. d_state holds the cotangent of the state after it, and becomes that of the state
  /// before it: hand it on to the piece of text before, or to `start_vjp`. Adds to `gradient`.
  void backward(const Tape& tape, State& d_state, Workspace& work, Params& gradient) const;

  /// The adjoint of `start`: adds the streams' cotangents to those of the initial inner weights. d_state is used up.
  void start_vjp(State& d_state, Workspace& work, Params& gradient) const;

 private:
  template <class Sink>
  void read(View<const Token, 2> tokens, State& state, Workspace& work, const Options& options, const Sink& sink) const;
  void check_stream(const ModelStream<T>& stream) const;
  void check_state(const State& state) const;
  void check(View<const Token, 2> tokens, const State& state, std::span<const Index> lengths) const;
  const Dense<T>& head() const { return config_.tie_word_embeddings ? params_.embed_tokens : params_.lm_head; }
  auto block(std::size_t i) const;
  void make_tables();

  ModelConfig config_;
  Params params_;
  std::vector<SequenceConfig> layer_configs_;  // of every block, complete
  std::vector<sequence::AnyTables<T>> tables_;
};

using Model = BasicModel<float>;

extern template class TTT_EXPORT BasicModel<float>;
extern template class TTT_EXPORT BasicModel<double>;

}  // namespace ttt
