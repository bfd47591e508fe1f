// SPDX-License-Identifier: MIT
// The scan of one head over 256 tokens, without the projections around it: forward beside plain Eigen, and backward.
// One thread; everything stays in cache.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "inner_head.hpp"
#include "peers/plain_inner.hpp"
#include "ttt/eigen.hpp"
#include "versions.hpp"

namespace ttt::bench {
namespace {

template <InnerModel M>
std::array<plain::Start, M::depth> plain_start(const TttStream<M>& stream) {
  std::array<plain::Start, M::depth> all;
  for (std::size_t i = 0; i < M::depth; ++i) {
    const auto& map = stream.maps[i];
    all[i] = {map.W.data(), map.b.data(), map.W.extent(1), map.W.extent(2)};
  }
  return all;
}

plain::Vector vector(const Tensor<float, 1>& t) { return Eigen::Map<const plain::Vector>(t.data(), t.size()); }

/// Both versions go on over the same tokens with the weights of the iteration before, as a stream does.
template <InnerModel M, class PlainModel>
void forward(benchmark::State& state, Version version) {
  Head<M> head(state.range(0));
  PlainModel plain_model(plain_start<M>(head.stream), mini_batch_size);
  const plain::Vector rate = vector(head.rate), scale = vector(head.scale).head(mini_batch_size);  // alike in each
  const plain::Norm norm{vector(head.norm_weight), vector(head.norm_bias)};
  run(
      state, version, head.out, [&] { head.scan(); },
      [&] {
        for (Index t = 0; t < head_time; t += mini_batch_size) {
          const auto rows = [&](Tensor<float, 2>& all) { return map(all.view().row_range(t, mini_batch_size)); };
          plain_model.mini_batch({rows(head.Q), rows(head.K), rows(head.target), rate, scale, norm, t}, rows(head.out));
        }
      },
      [&](const Meter& meter) {
        meter.tokens(real(head_time));
        meter.flop(head.flop());
        meter.bytes(head.bytes());
      });
}

/// Weights are kept at every fourth mini-batch: the square root of their number, as a layer does.
template <InnerModel M>
void backward(benchmark::State& state) {
  constexpr Index group = 4;
  const Index D = state.range(0);
  Rng rng(1);
  Head<M> head(D);
  Tensor<float, 2> d_out = normal<float>({head_time, D}, rng);
  Tensor<float, 2> d_Q({head_time, D}), d_K({head_time, D}), d_target({head_time, D});
  Tensor<float, 2> d_norm_weight({1, D}), d_norm_bias({1, D});
  Tensor<float, 1> d_rate({head_time}), d_scale({head_time});

  std::vector<TttStream<M>> saved;
  TttStream<M> d_stream = head.stream;
  head.scan([&](Index i, const inner::MiniBatch<float>&, const inner::HeadState<M>&) {
    if (i % group == 0) saved.push_back(head.stream);
  });
  const Meter meter = measure(state, 1, [&] {
    set_zero_stream(d_stream);
    inner::scan_vjp<M>([&](Index g) { return saved[static_cast<std::size_t>(g)].head(0); }, 0, mini_batch_size, group,
                       head.settings(), head.sequence(), d_out, d_stream.head(0), {d_Q, d_K, d_target, d_rate, d_scale},
                       [&](Index) {
                         return inner::NormGradientRows<float>{d_norm_weight, d_norm_bias};
                       },
                       head.scratch);
  });
  meter.tokens(real(head_time));
  meter.flop(2 * head.flop());
  meter.bytes(2 * head.bytes());
}

void head_sizes(benchmark::internal::Benchmark* b) { b->Arg(32)->Arg(64)->Arg(96)->Arg(128); }

using Linear = inner::Linear<float>;
using Mlp = inner::Mlp<float>;

void linear(benchmark::State& state) { forward<Linear, plain::Linear>(state, Version::ttt); }
void linear_eigen(benchmark::State& state) { forward<Linear, plain::Linear>(state, Version::eigen); }
void mlp(benchmark::State& state) { forward<Mlp, plain::Mlp>(state, Version::ttt); }
void mlp_eigen(benchmark::State& state) { forward<Mlp, plain::Mlp>(state, Version::eigen); }

BENCHMARK(linear)->Name("inner/linear")->Apply(head_sizes);
BENCHMARK(linear_eigen)->Name("inner/linear/eigen")->Apply(head_sizes);
BENCHMARK(backward<Linear>)->Name("inner/linear/backward")->Apply(head_sizes);
BENCHMARK(mlp)->Name("inner/mlp")->Apply(head_sizes);
BENCHMARK(mlp_eigen)->Name("inner/mlp/eigen")->Apply(head_sizes);
BENCHMARK(backward<Mlp>)->Name("inner/mlp/backward")->Apply(head_sizes);

}  // namespace
}  // namespace ttt::bench
