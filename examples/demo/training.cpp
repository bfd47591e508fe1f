// SPDX-License-Identifier: MIT
// How many steps fit in the time, and the loop over them.
#include "training.hpp"

#include <algorithm>
#include <numbers>

#include "recipe.hpp"

namespace demo {

namespace {

ttt::Trainer<float> trainer(ttt::SequenceType layer, const std::vector<ttt::Token>& text, Index seed, Index steps,
                            double inner_lr) {
  const auto random_seed = static_cast<std::uint64_t>(seed);
  ttt::Rng rng(random_seed);
  return {ttt::Model(model_config(layer), rng), ttt::TextWindows(text, trained_length, random_seed),
          trainer_config(layer, steps, inner_lr)};
}

}  // namespace

Twins::Twins(ttt::SequenceType layer, const std::vector<ttt::Token>& text, Index seed, Index steps)
    : learning_(trainer(layer, text, seed, steps, 1)), frozen_(trainer(layer, text, seed, steps, 0)) {}

double Twins::bits(ttt::Trainer<float>& trainer) { return trainer.step().loss / std::numbers::ln2; }

Plan plan_training(const Stopwatch& watch, double seconds, ttt::SequenceType layer, const std::vector<ttt::Token>& text,
                   const Passages& passages) {
  Twins twins(layer, text, /*seed=*/0, /*steps=*/1);
  twins.step();  // allocates
  const Stopwatch report_watch;
  bits_by_position(twins.learning(), passages, /*inner_lr=*/1, trained_length);
  const double report = readings * reach / trained_length * report_watch.seconds();

  const Stopwatch step_watch;
  Index measured = 0;
  do {
    twins.step();
    ++measured;
  } while (step_watch.seconds() < 0.02 * seconds);
  const double one_step = step_watch.seconds() / static_cast<double>(measured);

  // Training gets what the report leaves, but always half; a twentieth is kept for a machine that becomes slower.
  const double left = seconds - watch.seconds();
  const double training = std::max(left - 1.2 * report, left / 2);
  const auto steps = static_cast<Index>(0.95 * training / one_step);
  return {std::max<Index>(steps, 1), watch.seconds() + training};
}

Trained train(Twins& twins, const Plan& plan, const Stopwatch& watch, Progress& progress) {
  constexpr auto step_tokens = static_cast<double>(2 * batch_size * trained_length);
  const Stopwatch training;
  Trained done{};
  Twins::Losses mean{};
  bool more = true;
  while (more) {
    const Twins::Losses now = twins.step();
    ++done.steps;
    // The mean of about the last 20 steps: one batch is too small to judge by.
    const double weight = 1.0 / static_cast<double>(std::min<Index>(done.steps, 20));
    mean.learning += weight * (now.learning - mean.learning);
    mean.frozen += weight * (now.frozen - mean.frozen);

    const auto steps = static_cast<double>(done.steps);
    const double seconds = training.seconds();
    done.tokens_per_second = steps * step_tokens / seconds;
    const double left = static_cast<double>(plan.steps - done.steps) * seconds / steps;
    const std::string line = "step " + std::to_string(done.steps) + "/" + std::to_string(plan.steps) + "  " +
                             fixed(mean.learning, 3) + " bits per byte (twin " + fixed(mean.frozen, 3) + ")  " +
                             fixed(done.tokens_per_second, 0) + " tokens/s for both  " + minutes(left) + " left";
    more = done.steps < plan.steps && watch.seconds() < plan.deadline;
    if (more) {
      progress.show(line);
    } else {
      progress.finish(line);
    }
  }
  return done;
}

}  // namespace demo
