// SPDX-License-Identifier: MIT
// Golden files of training runs: every loss, norm and rate of a run under AdamW, and where it ends.
#include <cmath>

#include "reference/golden/file.hpp"
#include "reference/golden/targets.hpp"
#include "ttt/train.hpp"

namespace ttt::support {

namespace {

struct Recipe {
  AdamWConfig adamw;
  WarmupCosine learning_rate;
  double clip_norm;
};

Recipe read_recipe(const nlohmann::json& description) {
  const nlohmann::json& o = description.at("optimizer");
  const std::string name = o.at("name"), schedule = o.at("schedule");
  require(name == "AdamW", "optimizer: expected AdamW, found ", name);
  require(schedule == "linear warmup, cosine", "schedule: expected linear warmup, cosine, found ", schedule);
  Recipe recipe;
  recipe.adamw.beta1 = o.at("betas").at(0);
  recipe.adamw.beta2 = o.at("betas").at(1);
  recipe.adamw.epsilon = o.at("eps");
  recipe.adamw.weight_decay = o.at("weight_decay");
  recipe.learning_rate.init_lr = o.at("init_lr");
  recipe.learning_rate.peak_lr = o.at("peak_lr");
  recipe.learning_rate.end_lr = o.at("end_lr");
  recipe.learning_rate.warmup_steps = o.at("warmup_steps");
  recipe.learning_rate.decay_steps = o.at("decay_steps");
  recipe.clip_norm = o.at("clip_norm");
  return recipe;
}

/// The mean loss of sequences that the model is not trained on.
template <class T>
Tensor<double, 1> evaluate(const BasicModel<T>& model, const Tensor<Token, 2>& tokens) {
  const Index batch = tokens.extent(0), time = tokens.extent(1);
  Tensor<T, 2> losses(tokens.shape());
  ModelState<T> state = model.start(batch);
  Workspace work;
  model.token_losses(tokens, next_labels(tokens), state, work, losses);
  Tensor<double, 1> mean({1});
  for (const T loss : losses) mean[0] += static_cast<double>(loss) / static_cast<double>(batch * (time - 1));
  return mean;
}

/// The final parameters; and how far they are off as a part of how far they moved, since a tensor of large values can
/// hide that it went elsewhere.
template <class T>
void compare_final(GoldenFile& file, const ModelParams<T>& found) {
  const nlohmann::json float_drift = file.description().value("final_drift_rms", nlohmann::json::object());
  ModelParams<T>::visit(
      [&](const std::string& name, const auto& parameter) {
        const auto& t = in_rows(parameter);
        constexpr int Rank = std::tuple_size_v<std::remove_cvref_t<decltype(t.shape())>>;
        file.compare("final." + name, Quantity::training, t);
        if (!float_drift.contains(name)) return;
        const auto start = file.input<double, Rank>("param." + name);
        const auto end = file.input<double, Rank>("f64.final." + name);
        double off = 0, moved = 0;
        for (Index i = 0; i < t.size(); ++i) {
          off += std::pow(static_cast<double>(t.data()[i]) - end.data()[i], 2);
          moved += std::pow(end.data()[i] - start.data()[i], 2);
        }
        const double bound = file.bound(Quantity::training, float_drift.at(name));
        file.record({moved > 0 ? std::sqrt(off / moved) : std::sqrt(off), bound, "drift of " + name});
      },
      found);
}

template <class T>
void check_train_of(GoldenFile& file) {
  const Recipe recipe = read_recipe(file.description());
  auto params = ModelParams<T>::zeros(resolved(file.config()));
  file.read_params("param.", params);
  BasicModel<T> model(file.config(), std::move(params));
  const Tensor<Token, 2> eval_ids = file.input<Token, 2>("eval_ids");
  file.compare("eval_loss_before", Quantity::training, evaluate(model, eval_ids));

  const Tensor<Token, 4> input_ids = file.input<Token, 4>("input_ids");
  const Index steps = input_ids.extent(0), micro_batches = input_ids.extent(1);
  const double weight = 1.0 / static_cast<double>(micro_batches);
  AdamW optimizer(model.params(), recipe.adamw);
  auto gradient = ModelParams<T>::zeros(model.config());
  Tensor<double, 1> rates({steps}), losses({steps}), norms({steps});
  for (Index n = 0; n < steps; ++n) {
    set_zero(gradient);
    for (Index a = 0; a < micro_batches; ++a) {
      const View<const Token, 2> tokens = input_ids[n][a];
      losses[n] += weight * loss_and_gradient(model, tokens, next_labels(tokens), gradient, {.weight = weight});
    }
    if (n == 0) file.compare_if_given("grad_step0.", Quantity::gradient, gradient);
    rates[n] = recipe.learning_rate(n);
    norms[n] = global_norm(gradient);
    optimizer.step(model.params(), gradient, rates[n], clip_factor(norms[n], recipe.clip_norm));
  }

  file.compare_doubles("lr", rates);
  file.compare("loss", Quantity::training, losses);
  file.compare("grad_norm", Quantity::training, norms);
  file.compare("eval_loss_after", Quantity::training, evaluate(model, eval_ids));
  compare_final(file, model.params());
  file.compare_if_given("exp_avg.", Quantity::training, optimizer.exp_avg);
  file.compare_if_given("exp_avg_sq.", Quantity::training, optimizer.exp_avg_sq);
}

}  // namespace

void check_train(GoldenFile& file) {
  file.precision() == Precision::f32 ? check_train_of<float>(file) : check_train_of<double>(file);
}

}  // namespace ttt::support
