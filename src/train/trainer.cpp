// SPDX-License-Identifier: MIT
// One update of a training run, and checkpoints of the run.
#include "ttt/train/trainer.hpp"

#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "io/atomic_directory.hpp"
#include "io/file.hpp"
#include "io/file_names.hpp"
#include "io/model_files.hpp"
#include "io/parse_json.hpp"
#include "ttt/io/checkpoint.hpp"

namespace ttt {

namespace {

/// Loss and gradient of one batch, from fresh states, without allocating on the second call.
template <class T>
double add_gradient(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                    ModelState<T>& state, ModelState<T>& d_state, ModelTape<T>& tape, Workspace& work,
                    ModelParams<T>& gradient, const LossOptions& options) {
  for (ModelStream<T>& stream : state.streams) model.reset(stream);
  for (ModelStream<T>& stream : d_state.streams) set_zero_stream(stream);
  const double loss = model.forward_loss(tokens, targets, state, tape, work, gradient, options);
  model.backward(tape, d_state, work, gradient);
  model.start_vjp(d_state, work, gradient);
  return loss;
}

}  // namespace

template <class T>
double loss_and_gradient(const BasicModel<T>& model, View<const Token, 2> tokens, View<const Token, 2> targets,
                         ModelParams<T>& gradient, const LossOptions& options) {
  ModelState<T> state = model.zeros(tokens.rows()), d_state = model.zeros(tokens.rows());
  ModelTape<T> tape;
  Workspace work;
  return add_gradient(model, tokens, targets, state, d_state, tape, work, gradient, options);
}

template <class T>
Trainer<T>::Trainer(BasicModel<T> model, TextWindows windows, const TrainerConfig& config)
    // Both go by reference, so that the model is still here when the optimizer is made.
    : Trainer(std::move(model), std::move(windows), config, AdamW(model.params(), config.adamw)) {}

template <class T>
Trainer<T>::Trainer(BasicModel<T>&& model, TextWindows&& windows, const TrainerConfig& config,
                    AdamW<ModelParams<T>>&& optimizer)
    : model_(std::move(model)),
      windows_(std::move(windows)),
      config_(config),
      optimizer_(std::move(optimizer)),
      gradient_(ModelParams<T>::zeros(model_.config())) {
  require<ConfigError>(config.batch_size >= 1 && config.micro_batches >= 1,
                       "expected a batch of at least 1 sequence and 1 micro-batch, found ", config.batch_size, " and ",
                       config.micro_batches);
  require<ConfigError>(config.clip_norm > 0, "clip_norm: expected a number above 0, found ", config.clip_norm);
  detail::check_inner_lr(config.inner_lr);
  batch_ = {Tensor<Token, 2>({config.batch_size, windows_.length()}),
            Tensor<Token, 2>({config.batch_size, windows_.length()})};
  state_ = model_.zeros(config.batch_size);
  d_state_ = model_.zeros(config.batch_size);
}

template <class T>
StepReport Trainer<T>::step() {
  const FloatEnvironment environment;
  const TextWindows::Position before = windows_.position();
  const Index n = optimizer_.steps;
  set_zero(gradient_);
  double loss = 0;
  const double weight = 1.0 / static_cast<double>(config_.micro_batches);
  const double inner_lr = config_.inner_lr * config_.inner_warmup(n);
  for (Index micro = 0; micro < config_.micro_batches; ++micro) {
    windows_.next(batch_);
    loss += weight * add_gradient<T>(model_, batch_.tokens, batch_.targets, state_, d_state_, *tape_, work_, gradient_,
                                     {weight, inner_lr});
  }
  if (reduction_) {
    try {
      reduction_(loss, gradient_);
    } catch (...) {
      windows_.seek(before);
      throw;
    }
  }
  const double norm = global_norm(gradient_);
  if (!std::isfinite(loss) || !std::isfinite(norm)) {
    windows_.seek(before);
    require<TrainingError>(false, "step ", n, ": expected a finite loss and gradient, found loss ", loss,
                           " and gradient norm ", norm);
  }
  const double rate = config_.learning_rate(n);
  optimizer_.step(model_.params(), gradient_, rate, clip_factor(norm, config_.clip_norm));
  return {n, loss, norm, rate};
}

template <class T>
void Trainer<T>::save(const std::filesystem::path& directory) const {
  const Dtype stored = std::is_same_v<T, double> ? Dtype::f64 : Dtype::f32;
  detail::AtomicDirectory out(directory);
  detail::write_model_files(model_, out.path(), stored);
  std::vector<TensorSource> moments = detail::tensor_sources(optimizer_.exp_avg, stored, "exp_avg.");
  for (TensorSource& source : detail::tensor_sources(optimizer_.exp_avg_sq, stored, "exp_avg_sq.")) {
    moments.push_back(std::move(source));
  }
  write_safetensors(out.path() / detail::optimizer_file, moments);

  const TextWindows::Position& position = windows_.position();
  const nlohmann::json run = {{"steps", optimizer_.steps},
                              {"window", position.window},
                              {"window_length", windows_.length()},
                              {"text", windows_.digest()},
                              {"batch_size", config_.batch_size},
                              {"micro_batches", config_.micro_batches},
                              {"epoch_random_state", position.epoch.state}};
  detail::write_text(out.path() / detail::training_file, run.dump(2) + '\n');
  out.commit();
}

template <class T>
Trainer<T> Trainer<T>::resume(const std::filesystem::path& directory, TextWindows windows,
                              const TrainerConfig& config) {
  const std::filesystem::path moments = directory / detail::optimizer_file, run = directory / detail::training_file;
  std::string text;
  std::optional<BasicModel<T>> model;
  std::optional<AdamW<ModelParams<T>>> optimizer;
  detail::recover(directory);
  // A save that replaces the directory meanwhile replaces training.json too: then all is read again.
  do {
    text = detail::read_text(run);
    optimizer.reset();  // an earlier reading's memory
    model.reset();
    model.emplace(load<T>(directory));
    optimizer.emplace(model->params(), config.adamw);
    const TensorFile file(moments);
    detail::read_tensors(file, moments, "exp_avg.", optimizer->exp_avg);
    detail::read_tensors(file, moments, "exp_avg_sq.", optimizer->exp_avg_sq);
  } while (detail::read_text(run) != text);

  Trainer trainer(std::move(*model), std::move(windows), config, std::move(*optimizer));
  const nlohmann::json json = detail::parse_json(text, run.string());
  try {
    const std::string digest = json.at("text");
    const Index length = json.at("window_length");
    require<CheckpointError>(digest == trainer.windows_.digest() && length == trainer.windows_.length(), run.string(),
                             ": expected windows of ", length, " tokens of the text with digest ", digest, ", found ",
                             trainer.windows_.length(), " and ", trainer.windows_.digest());
    const Index batch_size = json.at("batch_size"), micro_batches = json.at("micro_batches");
    require<CheckpointError>(batch_size == config.batch_size && micro_batches == config.micro_batches, run.string(),
                             ": expected ", micro_batches, " micro-batches of ", batch_size, " sequences, found ",
                             config.micro_batches, " of ", config.batch_size);
    TextWindows::Position position;
    position.epoch.state = json.at("epoch_random_state");
    position.window = json.at("window");
    trainer.windows_.seek(position);
    trainer.optimizer_.steps = json.at("steps");
    constexpr Index most_steps = Index{1} << 53;
    require<CheckpointError>(0 <= trainer.optimizer_.steps && trainer.optimizer_.steps <= most_steps, run.string(),
                             ": key steps: expected 0 ... ", most_steps, ", found ", trainer.optimizer_.steps);
  } catch (const nlohmann::json::exception& e) {
    throw CheckpointError(run.string() + ": " + e.what());
  } catch (const ConfigError& e) {
    throw CheckpointError(run.string() + ": " + e.what());
  }
  return trainer;
}

template class Trainer<float>;
template class Trainer<double>;
template TTT_EXPORT double loss_and_gradient(const BasicModel<float>&, View<const Token, 2>, View<const Token, 2>,
                                             ModelParams<float>&, const LossOptions&);
template TTT_EXPORT double loss_and_gradient(const BasicModel<double>&, View<const Token, 2>, View<const Token, 2>,
                                             ModelParams<double>&, const LossOptions&);

}  // namespace ttt
