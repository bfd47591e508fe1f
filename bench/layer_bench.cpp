// SPDX-License-Identifier: MIT
// Whole layers over 512 tokens of one sequence, forward and backward, on all threads: set OMP_NUM_THREADS for fewer.
#include "bench.hpp"
#include "ttt/layer.hpp"

namespace ttt::bench {
namespace {

constexpr Index time = 512;

/// Made once, as the calls by which Google Benchmark finds the number of iterations all begin at the beginning.
template <InnerModel M, Index hidden_size, Index heads>
const Ttt<M>& layer() {
  static const Ttt<M> made = [] {
    Rng rng(1);
    return Ttt<M>({.hidden_size = hidden_size, .num_heads = heads}, rng);
  }();
  return made;
}

/// Of one forward pass: the weights, x and y. The adjoint has the gradients of all of them besides.
template <InnerModel M>
double bytes(const TttConfig& config) {
  return bytes_per_step<M>(config, 1) + 2 * sizeof(float) * real(time * config.hidden_size);
}

/// Goes on with the state of the iteration before.
template <InnerModel M, Index hidden_size, Index heads>
void forward(benchmark::State& state) {
  const Ttt<M>& layer = bench::layer<M, hidden_size, heads>();
  Rng rng(2);
  const Tensor<float, 3> x = normal<float>({1, time, hidden_size}, rng);
  Tensor<float, 3> y(x.shape());
  TttState<M> stream = layer.start(1);
  Workspace work;
  layer.forward(x, stream, work, y);  // makes `work` as large as it will be
  const Meter meter = measure(state, threads(), [&] { layer.forward(x, stream, work, y); });
  meter.tokens(real(time));
  meter.flop(real(time) * flop_per_token<M>(layer.config()));
  meter.bytes(bytes<M>(layer.config()));
}

/// Of one forward pass, whose tape is read again and again. The forward pass is not timed.
template <InnerModel M, Index hidden_size, Index heads>
void backward(benchmark::State& state) {
  const Ttt<M>& layer = bench::layer<M, hidden_size, heads>();
  Rng rng(2);
  const Tensor<float, 3> x = normal<float>({1, time, hidden_size}, rng),
                         dy = normal<float>({1, time, hidden_size}, rng);
  Tensor<float, 3> y(x.shape()), dx(x.shape());
  TttState<M> stream = layer.start(1);
  TttTape<M> tape;
  TttParams<M> gradient = TttParams<M>::zeros(layer.config());
  Workspace work;
  layer.forward(x, stream, tape, work, y);
  const auto once = [&] {
    TttState<M> d_stream = layer.zeros(1);
    layer.backward(tape, dy, d_stream, work, dx, gradient);
  };
  once();  // makes `work` as large as it will be
  const Meter meter = measure(state, threads(), once);
  meter.tokens(real(time));
  meter.flop(2 * real(time) * flop_per_token<M>(layer.config()));
  meter.bytes(2 * bytes<M>(layer.config()));
}

using Linear = inner::Linear<float>;
using Mlp = inner::Mlp<float>;

void settings(benchmark::internal::Benchmark* b) { b->Apply(set_clock)->Unit(benchmark::kMillisecond); }

BENCHMARK(forward<Linear, 768, 12>)->Name("layer/linear/768x12")->Apply(settings);
BENCHMARK(forward<Linear, 2048, 32>)->Name("layer/linear/2048x32")->Apply(settings);
BENCHMARK(forward<Mlp, 768, 12>)->Name("layer/mlp/768x12")->Apply(settings);
BENCHMARK(forward<Mlp, 2048, 32>)->Name("layer/mlp/2048x32")->Apply(settings);
BENCHMARK(backward<Linear, 768, 12>)->Name("layer/linear/backward/768x12")->Apply(settings);
BENCHMARK(backward<Mlp, 768, 12>)->Name("layer/mlp/backward/768x12")->Apply(settings);

}  // namespace
}  // namespace ttt::bench
