// SPDX-License-Identifier: MIT
// One token at a time, for 1 and 8 streams at once, through single layers and through a small language model. Reading
// weights is most of the work, so the bytes that must be read are counted too. Latencies are of 10,000 tokens. On all
// threads: set OMP_NUM_THREADS for fewer.
#include <vector>

#include "bench.hpp"
#include "small_model.hpp"
#include "ttt/layer.hpp"

namespace ttt::bench {
namespace {

/// Runs all iterations, of which each decodes one token of every stream, and reports what a token waits.
template <class Body>
Meter measure_tokens(benchmark::State& state, const Body& body) {
  std::vector<double> waits;  // microseconds
  waits.reserve(static_cast<std::size_t>(state.max_iterations));
  const Meter meter = measure(state, threads(), [&] {
    const double start = wall_seconds();
    body();
    waits.push_back(1e6 * (wall_seconds() - start));
  });
  state.counters["p50 us"] = quantile(waits, 0.5);
  state.counters["p99 us"] = quantile(waits, 0.99);
  state.counters["max us"] = quantile(waits, 1);
  return meter;
}

/// As many equal layers as take 96 MiB: in a model, too, the other layers push a layer out of the cache between two
/// tokens. Made once, as the calls by which Google Benchmark finds the number of iterations all begin at the beginning.
template <InnerModel M, Index hidden_size, Index heads>
const std::vector<Ttt<M>>& layers() {
  static const std::vector<Ttt<M>> made = [] {
    Rng rng(1);
    const Ttt<M> layer({.hidden_size = hidden_size, .num_heads = heads}, rng);
    const double enough = 96 * 1024.0 * 1024.0;
    std::vector<Ttt<M>> all;
    for (double bytes = 0; bytes < enough; bytes += bytes_per_step<M>(layer.config(), 1)) all.push_back(layer.clone());
    return all;
  }();
  return made;
}

template <InnerModel M, Index hidden_size, Index heads>
void layer(benchmark::State& state) {
  const Index batch = state.range(0);
  const std::vector<Ttt<M>>& layers = bench::layers<M, hidden_size, heads>();
  Rng rng(2);
  const Tensor<float, 3> x = normal<float>({batch, 1, hidden_size}, rng);
  Tensor<float, 3> y(x.shape());
  std::vector<TttState<M>> streams;
  for (const Ttt<M>& one : layers) streams.push_back(one.start(batch));
  Workspace work;
  std::size_t i = 0;
  const Meter meter = measure_tokens(state, [&] {
    layers[i].forward(x, streams[i], work, y);
    i = (i + 1) % layers.size();
  });
  const TttConfig& config = layers.front().config();
  meter.tokens(real(batch));
  meter.flop(real(batch) * flop_per_token<M>(config));
  meter.bytes(bytes_per_step<M>(config, batch));
}

/// The whole model, logits included. Its weights, 13 MB, may stay in the outermost cache.
void model(benchmark::State& state, SequenceType type) {
  const Index batch = state.range(0);
  const Model model = small_model(type);
  const Index vocabulary = model.config().vocab_size;
  Tensor<Token, 2> tokens({batch, 1});
  Tensor<float, 2> logits({batch, vocabulary});
  ModelState<float> streams = model.start(batch);
  Workspace work;
  const Meter meter = measure_tokens(state, [&] {
    for (Token& token : tokens) token = static_cast<Token>((token + 1) % vocabulary);
    model.forward_last(tokens, streams, work, logits);
  });
  meter.tokens(real(batch));
  meter.flop(real(batch) * flop_per_token(model.config()));
  meter.bytes(bytes_per_step(model.config(), batch));
}

using Linear = inner::Linear<float>;
using Mlp = inner::Mlp<float>;

void one_stream(benchmark::internal::Benchmark* b) {
  b->ArgName("batch")->Arg(1)->Iterations(10000)->Apply(set_clock)->Unit(benchmark::kMicrosecond);
}
/// The same number of tokens.
void eight_streams(benchmark::internal::Benchmark* b) {
  b->ArgName("batch")->Arg(8)->Iterations(1250)->Apply(set_clock)->Unit(benchmark::kMicrosecond);
}

BENCHMARK(layer<Linear, 768, 12>)->Name("decode/layer/linear/768x12")->Apply(one_stream);
BENCHMARK(layer<Linear, 768, 12>)->Name("decode/layer/linear/768x12")->Apply(eight_streams);
BENCHMARK(layer<Linear, 2048, 32>)->Name("decode/layer/linear/2048x32")->Apply(one_stream);
BENCHMARK(layer<Linear, 2048, 32>)->Name("decode/layer/linear/2048x32")->Apply(eight_streams);
BENCHMARK(layer<Mlp, 768, 12>)->Name("decode/layer/mlp/768x12")->Apply(one_stream);
BENCHMARK(layer<Mlp, 768, 12>)->Name("decode/layer/mlp/768x12")->Apply(eight_streams);
BENCHMARK(layer<Mlp, 2048, 32>)->Name("decode/layer/mlp/2048x32")->Apply(one_stream);
BENCHMARK(layer<Mlp, 2048, 32>)->Name("decode/layer/mlp/2048x32")->Apply(eight_streams);
BENCHMARK_CAPTURE(model, linear, SequenceType::linear)->Name("decode/model/linear/256x4")->Apply(one_stream);
BENCHMARK_CAPTURE(model, linear, SequenceType::linear)->Name("decode/model/linear/256x4")->Apply(eight_streams);
BENCHMARK_CAPTURE(model, mlp, SequenceType::mlp)->Name("decode/model/mlp/256x4")->Apply(one_stream);
BENCHMARK_CAPTURE(model, mlp, SequenceType::mlp)->Name("decode/model/mlp/256x4")->Apply(eight_streams);

}  // namespace
}  // namespace ttt::bench
