// SPDX-License-Identifier: MIT
// Training a small language model: one update on 4 windows of 256 tokens, on all threads: set OMP_NUM_THREADS for
// fewer.
#include <vector>

#include "bench.hpp"
#include "small_model.hpp"
#include "ttt/train.hpp"

namespace ttt::bench {
namespace {

/// Forward, backward and AdamW. The products are counted: those of the forward pass, and twice as many for their
/// adjoints. Of bytes, those of dense weights: read by both passes, and seven numbers for each in AdamW.
void train(benchmark::State& state, SequenceType type) {
  constexpr Index window = 256;
  Model model = small_model(type);
  const ModelConfig model_config = model.config();
  Rng rng(2);
  std::vector<Token> text(1 << 16);
  for (Token& token : text) token = static_cast<Token>(rng.below(static_cast<std::uint64_t>(model_config.vocab_size)));
  TrainerConfig config = paper_recipe(type, /*steps=*/1000);
  config.batch_size = 4;
  Trainer<float> trainer(std::move(model), TextWindows(std::move(text), window, /*seed=*/1), config);
  trainer.step();  // takes the memory that all steps work in
  const Meter meter = measure(state, threads(), [&] { trainer.step(); });
  const double tokens = real(config.batch_size * config.micro_batches * window);
  meter.tokens(tokens);
  meter.flop(3 * tokens * flop_per_token(model_config));
  meter.bytes((2 + 7) * sizeof(float) * dense_weights(model_config));
}

void settings(benchmark::internal::Benchmark* b) { b->Apply(set_clock)->Unit(benchmark::kMillisecond); }

BENCHMARK_CAPTURE(train, linear, SequenceType::linear)->Name("train/linear/256x4")->Apply(settings);
BENCHMARK_CAPTURE(train, mlp, SequenceType::mlp)->Name("train/mlp/256x4")->Apply(settings);

}  // namespace
}  // namespace ttt::bench
