// SPDX-License-Identifier: MIT
// Training a language model: gradient accumulation, updates, checkpoints that resume with the same bits.
#pragma once

#include <cmath>
#include <concepts>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ttt/train/data.hpp"
#include "ttt/train/gradient.hpp"
#include "ttt/train/recipe.hpp"
#include "ttt/train/run_files.hpp"

namespace ttt {

/// What one update did.
struct StepReport {
  Index step;            // 0, 1, 2, ...
  double loss;           // mean over the micro-batches, before the update; nats per token
  double gradient_norm;  // before clipping
  double learning_rate;
};

/// Trains one model on the batches of a source.
template <class T, BatchSource Source = TextWindows, Optimizer<ModelParams<T>> Opt = AdamW<ModelParams<T>>>
class Trainer {
 public:
  /// Makes the optimizer for the parameters that it is given, to which it must keep no reference. May be called again.
  using MakeOptimizer = std::function<Opt(const ModelParams<T>&)>;

  /// Throws ConfigError.
  Trainer(BasicModel<T> model, Source source, const TrainerConfig& config, const MakeOptimizer& make)
      : config_((validate(config), config)),
        model_(std::move(model)),
        source_(std::move(source)),
        optimizer_(make(model_.params())),
        gradient_(ModelParams<T>::zeros(model_.config())),
        buffers_(std::make_unique<detail::GradientBuffers<T>>(model_, config.batch_size)) {}
  /// With AdamW, of config.adamw.
  Trainer(BasicModel<T> model, Source source,
          const TrainerConfig& config) requires std::same_as<Opt, AdamW<ModelParams<T>>>
      : Trainer(std::move(model), std::move(source), config, adamw(config)) {}

  /// One update. Throws TrainingError naming the step if loss or gradient are not finite; then neither parameters nor
  /// moments have changed. Throws ConfigError where config.shard has several ranks and no reduction adds them up.
  StepReport step();

  /// What is done to loss and gradient of every update before clipping, such as the sum over the ranks of
  /// config.shard. It changes numbers, not shapes; where it throws, nothing has changed. A run that was resumed has
  /// none yet.
  using Reduction = std::function<void(double& loss, ModelParams<T>& gradient)>;
  void reduce_with(Reduction reduction) { reduction_ = std::move(reduction); }

  const BasicModel<T>& model() const { return model_; }
  /// Gives up the trained model, without a copy.
  BasicModel<T> release() && { return std::move(model_); }
  Index steps() const { return steps_; }

  /// Model, optimizer, step and the source's position: what `resume` needs to go on with the same bits. Replaces the
  /// directory as a whole, as ttt::save does.
  void save(const std::filesystem::path& directory) const;

  /// Goes on from a checkpoint. Throws ConfigError as the constructor does, and CheckpointError, also for a source of
  /// another identity and for batches of another size; the rest of the configuration, ranks included, may differ.
  static Trainer resume(const std::filesystem::path& directory, Source source, const TrainerConfig& config,
                        const MakeOptimizer& make);
  static Trainer resume(const std::filesystem::path& directory, Source source,
                        const TrainerConfig& config) requires std::same_as<Opt, AdamW<ModelParams<T>>> {
    return resume(directory, std::move(source), config, adamw(config));
  }

 private:
  static MakeOptimizer adamw(const TrainerConfig& config) requires std::same_as<Opt, AdamW<ModelParams<T>>> {
    return [c = config.adamw](const ModelParams<T>& params) { return Opt(params, c); };
  }

  TrainerConfig config_;
  BasicModel<T> model_;
  Source source_;
  Opt optimizer_;
  Index steps_ = 0;
  ModelParams<T> gradient_;
  std::unique_ptr<detail::GradientBuffers<T>> buffers_;
  Batch batch_;
  Reduction reduction_;
};

template <class T, BatchSource Source, Optimizer<ModelParams<T>> Opt>
StepReport Trainer<T, Source, Opt>::step() {
  const FloatEnvironment environment;
  const auto [rank, ranks] = config_.shard;
  require<ConfigError>(ranks == 1 || reduction_, "shard: expected a reduction (reduce_with) over ", ranks,
                       " ranks, found none");
  const typename Source::Position before = source_.position();
  set_zero(gradient_);
  try {
    double loss = 0;
    const double weight = 1.0 / static_cast<double>(config_.micro_batches);
    const double inner_lr = config_.inner_lr * config_.inner_warmup(steps_);
    const Index micro_batches = config_.micro_batches / ranks;  // of this rank, one after the other
    source_.skip(rank * micro_batches * config_.batch_size);
    for (Index micro = 0; micro < micro_batches; ++micro) {
      source_.next(config_.batch_size, batch_);
      loss += weight * detail::add_gradient<T>(model_, batch_.tokens, batch_.targets, *buffers_, gradient_,
                                               {weight, inner_lr, batch_.lengths});
    }
    source_.skip((ranks - 1 - rank) * micro_batches * config_.batch_size);
    if (reduction_) reduction_(loss, gradient_);
    const double norm = global_norm(gradient_), rate = config_.learning_rate(steps_);
    require<TrainingError>(std::isfinite(loss) && std::isfinite(norm), "step ", steps_,
                           ": expected a finite loss and gradient, found loss ", loss, " and gradient norm ", norm);
    optimizer_.step(model_.params(), gradient_, rate, clip_factor(norm, config_.clip_norm));
    return {steps_++, loss, norm, rate};
  } catch (...) {
    source_.seek(before);
    throw;
  }
}

template <class T, BatchSource Source, Optimizer<ModelParams<T>> Opt>
void Trainer<T, Source, Opt>::save(const std::filesystem::path& directory) const {
  detail::RunRecord record;
  record.put("steps", steps_);
  record.put("batch_size", config_.batch_size);
  record.put("micro_batches", config_.micro_batches);
  record.put("source", std::string(source_.identity()));
  const typename Source::Position& position = source_.position();
  Source::Position::visit([&](const std::string& name, auto number) { record.put("source." + name, number); },
                          position);
  detail::NamedParams<const ModelParams<T>> moments;
  Opt::visit(
      [&]<class Part>(const std::string& name, const Part& part) {
        if constexpr (std::same_as<Part, Index>) {
          record.put("optimizer." + name, part);
        } else {
          static_assert(std::same_as<Part, ModelParams<T>>, "an optimizer remembers counts and parameters");
          moments.emplace_back(name, &part);
        }
      },
      optimizer_);
  detail::write_run(directory, model_, moments, record);
}

template <class T, BatchSource Source, Optimizer<ModelParams<T>> Opt>
Trainer<T, Source, Opt> Trainer<T, Source, Opt>::resume(const std::filesystem::path& directory, Source source,
                                                        const TrainerConfig& config, const MakeOptimizer& make) {
  std::optional<Trainer> trainer;
  const detail::RunRecord record = detail::read_run<T>(directory, [&](BasicModel<T>&& model) {
    if (trainer) source = std::move(trainer->source_);
    trainer.emplace(std::move(model), std::move(source), config, make);
    detail::NamedParams<ModelParams<T>> moments;
    Opt::visit(
        [&]<class Part>(const std::string& name, Part& part) {
          if constexpr (!std::same_as<Part, Index>) moments.emplace_back(name, &part);
        },
        trainer->optimizer_);
    return moments;
  });

  const auto same = [&]<class V>(const char* name, const V& found) {
    V expected;
    record.get(name, expected);
    require<CheckpointError>(expected == found, record.where(), ": ", name, ": expected ", expected, ", found ", found);
  };
  same("source", std::string(trainer->source_.identity()));
  same("batch_size", config.batch_size);
  same("micro_batches", config.micro_batches);
  record.get("steps", trainer->steps_);
  Opt::visit(
      [&]<class Part>(const std::string& name, Part& part) {
        if constexpr (std::same_as<Part, Index>) record.get("optimizer." + name, part);
      },
      trainer->optimizer_);
  typename Source::Position position = trainer->source_.position();
  Source::Position::visit([&](const std::string& name, auto& number) { record.get("source." + name, number); },
                          position);
  try {
    trainer->source_.seek(position);
  } catch (const ConfigError& e) {
    throw CheckpointError(record.where() + ": " + e.what());
  }
  return std::move(*trainer);
}

extern template class TTT_EXPORT Trainer<float>;
extern template class TTT_EXPORT Trainer<double>;

}  // namespace ttt
