// SPDX-License-Identifier: MIT
// Schedules, norms and AdamW over all parameters; a parameter is updated alike in whichever thread.
#include "ttt/optimizer.hpp"

#include <cmath>

#include "math.hpp"

namespace ttt {

namespace {

/// Elements of one task: a tensor is cut at these places whatever the number of threads.
constexpr Index piece = Index{1} << 14;

}  // namespace

double WarmupCosine::operator()(Index step) const {
  const FloatEnvironment environment;
  if (step < warmup_steps) {
    return init_lr + (peak_lr - init_lr) * static_cast<double>(step) / static_cast<double>(warmup_steps);
  }
  const Index decay = decay_steps - warmup_steps;
  const double done =
      decay <= 0 ? 1.0 : std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(decay));
  constexpr double pi = 3.14159265358979323846;
  return end_lr + 0.5 * (peak_lr - end_lr) * (1.0 + math::cos(pi * done));
}

double InnerWarmup::operator()(Index step) const {
  if (step >= steps) return 1.0;
  return start + (1.0 - start) * static_cast<double>(step) / static_cast<double>(steps);
}

template <class T>
void set_zero(ModelParams<T>& params) {
  ModelParams<T>::visit([](const std::string&, auto& t) { std::fill(t.begin(), t.end(), T(0)); }, params);
}

template <class T>
double global_norm(const ModelParams<T>& gradient) {
  const FloatEnvironment environment;
  double sum = 0;
  ModelParams<T>::visit([&](const std::string&, const auto& t) { sum += kernels<T>().sum_squares(t.data(), t.size()); },
                        gradient);
  return std::sqrt(sum);
}

double clip_factor(double norm, double max_norm) { return std::min(1.0, max_norm / (norm + 1e-6)); }

template <class T>
AdamW<T>::AdamW(const BasicModel<T>& model, AdamWConfig c)
    : config(c), exp_avg(ModelParams<T>::zeros(model.config())), exp_avg_sq(ModelParams<T>::zeros(model.config())) {}

template <class T>
void AdamW<T>::step(ModelParams<T>& params, const ModelParams<T>& gradient, double learning_rate,
                    double gradient_factor) {
  const FloatEnvironment environment;
  ++steps;
  double power1 = 1, power2 = 1;
  for (Index n = 0; n < steps; ++n) {
    power1 *= config.beta1;
    power2 *= config.beta2;
  }
  const AdamwStep step{learning_rate,       config.beta1, config.beta2, config.epsilon,
                       config.weight_decay, 1 - power1,   1 - power2,   gradient_factor};
  ModelParams<T>::visit(
      [&](const std::string&, auto& p, const auto& g, auto& m, auto& v) {
        const Index tasks = (p.size() + piece - 1) / piece;
        parallel_for(tasks, workers(tasks, 16.0 * static_cast<double>(p.size())), [&](Index task, Index) {
          const Index begin = task * piece, n = std::min(piece, p.size() - begin);
          kernels<T>().adamw(step, n, g.data() + begin, p.data() + begin, m.data() + begin, v.data() + begin);
        });
      },
      params, gradient, exp_avg, exp_avg_sq);
}

template TTT_EXPORT void set_zero(ModelParams<float>&);
template TTT_EXPORT void set_zero(ModelParams<double>&);
template TTT_EXPORT double global_norm(const ModelParams<float>&);
template TTT_EXPORT double global_norm(const ModelParams<double>&);
template class AdamW<float>;
template class AdamW<double>;

}  // namespace ttt
