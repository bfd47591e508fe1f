// SPDX-License-Identifier: MIT
// What an optimizer is; AdamW and clipping, for any struct of parameters.
#pragma once

#include <algorithm>
#include <concepts>

#include "ttt/export.hpp"
#include "ttt/ops/parameters.hpp"

namespace ttt {

/// What updates parameters P.
///   step(params, gradient, learning_rate, gradient_factor)   one update with gradient * gradient_factor; where it
///                                                            throws, nothing has changed
///   visit(f, optimizer...)                                   calls f(name, part...) for all that it remembers: counts
///                                                            of type Index (0 ... 2^53) and structs of type P
template <class O, class P>
concept Optimizer = Parameters<P> && std::movable<O> &&
    requires(O& optimizer, const O& constant, P& params, const P& gradient, double learning_rate,
             double gradient_factor) {
  optimizer.step(params, gradient, learning_rate, gradient_factor);
  O::visit(detail::VisitNothing(), optimizer);
  O::visit(detail::VisitNothing(), constant);
};

/// Hyperparameters of AdamW; the learning rate is given to every step.
struct AdamWConfig {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // of every parameter
};

namespace detail {

/// beta1^n and beta2^n, each multiplied up from 1 in order, so that a run that was resumed has the same bits.
class TTT_EXPORT BetaPowers {
 public:
  /// Those of n: one more multiplication where n is one more than at the last call.
  void advance(const AdamWConfig& config, Index n);

  double power1() const { return power1_; }
  double power2() const { return power2_; }

 private:
  Index n_ = 0;
  double beta1_ = 1, beta2_ = 1, power1_ = 1, power2_ = 1;
};

/// `powers` are those of the updates made, this one included.
TTT_EXPORT ops::AdamwStep adamw_step(const AdamWConfig& config, const BetaPowers& powers, double learning_rate,
                                     double gradient_factor);

/// One update of one parameter.
template <class T>
void adamw(const ops::AdamwStep& update, View<T, 1> p, View<const T, 1> gradient, View<T, 1> m, View<T, 1> v) {
  constexpr Index piece = Index{1} << 14;
  const Index tasks = (p.size() + piece - 1) / piece;
  parallel_for(tasks, detail::worker_count(tasks, 16.0 * static_cast<double>(p.size())), [&](Index task, Index) {
    const Index begin = task * piece, n = std::min(piece, p.size() - begin);
    ops::kernels<T>().adamw(update, n, gradient.data() + begin, p.data() + begin, m.data() + begin, v.data() + begin);
  });
}
}  // namespace detail

/// Throws ConfigError.
TTT_EXPORT void validate(const AdamWConfig& config);

/// min(1, max_norm / (norm + 1e-6)): what clipping multiplies a gradient with.
TTT_EXPORT double clip_factor(double norm, double max_norm);

/// AdamW with decoupled weight decay and bias correction. Moments have the type of the parameters. An Optimizer.
template <Parameters Params>
class AdamW {
 public:
  /// Throws ConfigError.
  explicit AdamW(const Params& params, AdamWConfig c = {}) : config(c), exp_avg(params) {
    validate(config);
    set_zero(exp_avg);
    exp_avg_sq = exp_avg;
  }

  /// One update with `gradient` times `gradient_factor`.
  void step(Params& params, const Params& gradient, double learning_rate, double gradient_factor = 1.0) {
    detail::check_gradient(params, gradient, "gradient");
    const FloatEnvironment environment;
    powers_.advance(config, ++steps);
    const ops::AdamwStep update = detail::adamw_step(config, powers_, learning_rate, gradient_factor);
    Params::visit([&](const auto&, auto& p, const auto& g, auto& m,
                      auto& v) { detail::adamw(update, values(p), values(g), values(m), values(v)); },
                  params, gradient, exp_avg, exp_avg_sq);
  }

  template <class F, class... A>
  static void visit(const F& f, A&... a) {
    f("steps", a.steps...);
    f("exp_avg", a.exp_avg...);
    f("exp_avg_sq", a.exp_avg_sq...);
  }

  AdamWConfig config;
  Index steps = 0;  // updates made
  Params exp_avg, exp_avg_sq;

 private:
  detail::BetaPowers powers_;
};

}  // namespace ttt
