// SPDX-License-Identifier: MIT
// Training a language model: gradient accumulation, updates, checkpoints that resume with the same bits.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

#include "ttt/export.hpp"
#include "ttt/model/model.hpp"
#include "ttt/train/data.hpp"
#include "ttt/train/recipe.hpp"

namespace ttt {

/// What one update did.
struct StepReport {
  Index step;            // 0, 1, 2, ...
  double loss;           // mean over the micro-batches, before the update; nats per token
  double gradient_norm;  // before clipping
  double learning_rate;
};

/// Trains one model on windows of a text.
template <class T>
class Trainer {
 public:
  /// Throws ConfigError.
  Trainer(BasicModel<T> model, TextWindows windows, const TrainerConfig& config);

  /// One update. Throws TrainingError naming the step if loss or gradient are not finite; then neither parameters nor
  /// moments have changed.
  StepReport step();

  /// What is done to loss and gradient of every update before clipping, such as a sum over machines. Where it throws,
  /// nothing has changed.
  using Reduction = std::function<void(double& loss, ModelParams<T>& gradient)>;
  void reduce_with(Reduction reduction) { reduction_ = std::move(reduction); }

  const BasicModel<T>& model() const { return model_; }
  /// Gives up the trained model, without a copy.
  BasicModel<T> release() && { return std::move(model_); }
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
  Reduction reduction_;
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
