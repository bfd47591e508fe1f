// SPDX-License-Identifier: MIT
// From a text to a language model in two minutes: train it beside a twin that does not learn at test time, compare the
// two on text that neither has seen, say what weights of fewer bits cost, let the model write, save it.
#include <sys/resource.h>

#include <iostream>
#include <limits>

#include "options.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "recipe.hpp"
#include "report.hpp"
#include "sample.hpp"
#include "text.hpp"
#include "training.hpp"
#include "ttt/checkpoint.hpp"
#include "ttt/generate.hpp"

namespace demo {

namespace {

double peak_megabytes() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  constexpr double unit = 1e6;  // it counts bytes, others count KiB
#else
  constexpr double unit = 1e6 / 1024;
#endif
  return static_cast<double>(usage.ru_maxrss) / unit;
}

void run(const Options& options) {
  const Stopwatch watch;
  Progress progress;
  check_output(options.out);
  const Text text = read_text(options.file);
  const Split parts = split(text, reach + 1);
  const std::vector<ttt::Token> training_text = ttt::bytes(parts.training);
  const Passages passages = cut(parts.held_out, reach, most_passages);
  std::cout << "Text: " << text.name << ": " << text.bytes.size() << " bytes, the last " << parts.held_out.size()
            << " of them held out\n";

  const Plan plan = options.steps ? Plan{*options.steps, std::numeric_limits<double>::infinity()}
                                  : plan_training(watch, 60 * options.minutes, options.layer, training_text, passages);
  Twins twins(options.layer, training_text, options.seed, plan.steps);
  std::cout << "Model: TTT-" << (options.layer == ttt::SequenceType::linear ? "Linear" : "MLP") << ", "
            << ttt::parameter_count(twins.learning().params()) << " parameters\n"
            << "Training: " << plan.steps << " steps of " << batch_size << " sequences of " << trained_length
            << " bytes; as many for a twin whose inner learning rate is 0" << std::endl;

  const Trained trained = train(twins, plan, watch, progress);
  if (trained.steps < plan.steps) {
    std::cout << "The time was up after " << trained.steps << " of " << plan.steps << " steps: the machine became "
              << "slower. The learning rate was still "
              << trainer_config(options.layer, plan.steps, 1).learning_rate(trained.steps) << ".\n";
  }

  progress.show("reading held-out text");
  const std::vector<double> learning = bits_by_position(twins.learning(), passages, /*inner_lr=*/1, reach);
  const std::vector<double> frozen = bits_by_position(twins.frozen(), passages, /*inner_lr=*/0, reach);
  std::vector<FormatBits> formats{{ttt::WeightFormat::full, mean(learning)}};
  for (const ttt::WeightFormat format : smaller_formats) {
    ttt::Model smaller = twins.learning().clone();
    convert(smaller.params(), format);
    formats.push_back({format, mean(bits_by_position(smaller, passages, /*inner_lr=*/1, reach))});
  }
  progress.finish("read " + std::to_string(readings * passages.tokens.size()) + " bytes of held-out text");
  std::cout
      << "\nBits per byte on " << passages.tokens.extent(0) << " held-out passages of " << reach
      << " bytes, by position in the passage.\nThe twin does not learn while it reads: the gain is what test-time "
         "training adds.\n\n";
  write_report(std::cout, learning, frozen, trained_length);
  std::cout << "\nThe same passages, all positions, when the model's dense weights are stored in fewer bits:\n\n";
  write_formats(std::cout, formats);

  const std::string_view beginning = prompt(parts.held_out);
  std::cout << "\nThe model continues " << beginning.size() << " bytes of held-out text:\n\n";
  const double byte_seconds = write_sample(std::cout, twins.learning(), beginning, sample_length, options.seed);

  ttt::save(twins.learning(), options.out);
  std::cout << "\nSaved. To load it: ttt::load(" << options.out << ")" << std::endl;
  ttt::require(std::cout.good(), "standard output: cannot write");
  std::cerr << "training " << fixed(trained.tokens_per_second, 0) << " tokens/s for both models, generation "
            << fixed(1e3 * byte_seconds, 2) << " ms/token, " << fixed(peak_megabytes(), 0) << " MB of memory, "
            << ttt::threads() << " threads, " << minutes(watch.seconds()) << " minutes\n";
}

}  // namespace

}  // namespace demo

int main(int count, char** arguments) {
  try {
    const demo::Options options = demo::parse_options({arguments + 1, arguments + count});
    if (options.help) {
      std::cout << demo::usage;
    } else {
      demo::run(options);
    }
    return 0;
  } catch (const demo::UsageError& e) {
    std::cerr << "demo: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "demo: " << e.what() << '\n';
    return 1;
  }
}
