// SPDX-License-Identifier: MIT
// Training a language model on a text: batches, gradient accumulation, updates, checkpoints that resume with the same
// bits.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "ttt/export.hpp"
#include "ttt/train/optimizer.hpp"

namespace ttt {

/// Tokens and what should follow each of them. [batch, time]
struct Batch {
  Tensor<Token, 2> tokens, targets;
};

/// Cuts a text into windows, in a new random order and from a new random place in every epoch.
class TTT_EXPORT TextWindows {
 public:
  /// The text must hold at least one window and its last target; throws ConfigError.
  TextWindows(std::vector<Token> text, Index length, std::uint64_t seed);

  /// Fills every row of `batch` with the next window.
  void next(Batch& batch);

  Index length() const { return length_; }
  /// A fingerprint of the text, 16 hexadecimal digits. A run resumes only with the text that it began with.
  std::string digest() const;

  /// All that decides which windows come next, to be saved and restored.
  struct Position {
    Rng epoch{0};      // the random state at the start of the epoch
    Index window = 0;  // windows of it already given
  };
  const Position& position() const { return position_; }
  void seek(const Position& position);

 private:
  void shuffle();

  std::vector<Token> text_;
  Index length_;
  Position position_;
  Rng after_epoch_{0};
  std::vector<Index> begins_;
};

/// Hyperparameters of a training run.
struct TrainerConfig {
  Index batch_size = 16;    // sequences of one micro-batch
  Index micro_batches = 1;  // micro-batches of one update: gradient accumulation
  WarmupCosine learning_rate;
  InnerWarmup inner_warmup;
  AdamWConfig adamw;
  double clip_norm = 1.0;
  double inner_lr = 1.0;  // multiplies the inner learning rate; 0 trains a model whose inner models stay frozen
};

/// What one update did.
struct StepReport {
  Index step;            // 0, 1, 2, ...
  double loss;           // mean over the micro-batches, before the update; nats per token
  double gradient_norm;  // before clipping
  double learning_rate;
};

/// The paper's recipe for a run of `steps` updates: warm-up over the first tenth, for TTT-MLP of the inner rate as
/// well.
TTT_EXPORT TrainerConfig paper_recipe(SequenceType type, Index steps);

/// Trains one model on windows of a text.
template <class T>
class Trainer {
 public:
  /// Throws ConfigError.
  Trainer(BasicModel<T> model, TextWindows windows, const TrainerConfig& config);

  /// One update. Throws TrainingError naming the step if loss or gradient are not finite; then neither parameters nor
  /// moments have changed.
  StepReport step();

  const BasicModel<T>& model() const { return model_; }
  Index steps() const { return optimizer_.steps; }

  /// Model, moments, step, data position and random state: what `resume` needs to go on with the same bits. Replaces
  /// the directory as a whole, as `save` does.
  void save(const std::filesystem::path& directory) const;

  /// Goes on from a checkpoint. Throws CheckpointError, also for another text and for batches of another size; the
  /// rest of the configuration may differ, and then the run does.
  static Trainer resume(const std::filesystem::path& directory, TextWindows windows, const TrainerConfig& config);

 private:
  Trainer(BasicModel<T>&& model, TextWindows&& windows, const TrainerConfig& config, AdamW<ModelParams<T>>&& optimizer);

  BasicModel<T> model_;
  TextWindows windows_;
  TrainerConfig config_;
  AdamW<ModelParams<T>> optimizer_;
  ModelParams<T> gradient_;
  std::unique_ptr<ModelTape<T>> tape_ = std::make_unique<ModelTape<T>>();
  Workspace work_;
  Batch batch_;
  ModelState<T> state_, d_state_;
};

/// Loss of whole sequences from fresh states, adding its gradient to `gradient`.
template <class T>
TTT_EXPORT double loss_and_gradient(const BasicModel<T>& model, View<const Token, 2> tokens,
                                    View<const Token, 2> targets, ModelParams<T>& gradient,
                                    const LossOptions& options = {});

extern template class TTT_EXPORT Trainer<float>;
extern template class TTT_EXPORT Trainer<double>;

}  // namespace ttt
