// SPDX-License-Identifier: MIT
// The walk of one head over 256 tokens, without the projections around it: forward beside plain Eigen, and backward.
// One thread; everything stays in cache.
#include <algorithm>
#include <string>
#include <vector>

#include "bench.hpp"
#include "plain_inner.hpp"
#include "ttt/eigen.hpp"
#include "ttt/layer_state.hpp"
#include "ttt/walk.hpp"
#include "versions.hpp"

namespace ttt::bench {
namespace {

constexpr Index time = 256, mini_batch = 16;

/// What one head reads, with rates and scales of the sizes that a fresh layer has.
template <InnerModel M>
struct Head {
  explicit Head(Index D, Rng& rng)
      : Q(normal<float>({time, D}, rng)),
        K(normal<float>({time, D}, rng)),
        target(normal<float>({time, D}, rng)),
        rate(time),
        scale(mini_batch),
        norm{plain::Row::Ones(D), plain::Row::Zero(D)},
        start(StreamState<M>::zeros({.hidden_size = D, .num_heads = 1, .mini_batch_size = mini_batch})) {
    rate.setConstant(static_cast<float>(M::default_base_lr) / 2 / static_cast<float>(D));
    for (Index t = 0; t < mini_batch; ++t) scale[t] = 1 / static_cast<float>(t + 1);
    for (auto& layer : start.maps) fill_normal<float>({layer.W.data(), {layer.W.size()}}, 0.02, rng);
  }

  HeadSequence<float> sequence() const { return {Q, K, target, {rate.data(), {time}}}; }
  View<const float, 1> scales() const { return {scale.data(), {mini_batch}}; }
  HeadSettings<float> settings() const { return {{norm.weight.data(), norm.bias.data()}, true, 1.0f}; }

  Tensor<float, 2> Q, K, target;  // [time, D]
  plain::Vector rate, scale;      // [time], [mini_batch]
  plain::Norm norm;
  StreamState<M> start;
};

/// Both versions go on over the same tokens with the weights of the iteration before, as a stream does.
template <InnerModel M, class PlainModel>
void forward(benchmark::State& state, Version version) {
  const Index D = state.range(0);
  Rng rng(1);
  Head<M> head(D, rng);
  StreamState<M> stream = head.start;
  PlainModel plain_model(head.start, mini_batch);
  Tensor<float, 2> out({time, D});
  Workspace scratch;
  run(
      state, version, out,
      [&] {
        walk<M>(stream.head(0), 0, head.settings(), head.scales(), head.sequence(), out, scratch,
                [](Index, const Tokens<float>&) {});
      },
      [&] {
        for (Index t = 0; t < time; t += mini_batch) {
          const auto rows = [&](Tensor<float, 2>& all) { return map(all.view().rows(t, mini_batch)); };
          plain_model.mini_batch({rows(head.Q), rows(head.K), rows(head.target), head.rate, head.scale, head.norm, t},
                                 rows(out));
        }
      });
  count(state, "tokens", real(time));
  count(state, "FLOP", real(time) * inner_flop<M>(D, mini_batch));
}

/// Weights are kept at every fourth mini-batch: the square root of their number, as a layer does.
template <InnerModel M>
void backward(benchmark::State& state) {
  constexpr Index group = 4;
  const Index D = state.range(0);
  Rng rng(1);
  Head<M> head(D, rng);
  Tensor<float, 2> out({time, D}), d_out = normal<float>({time, D}, rng);
  Tensor<float, 2> d_Q({time, D}), d_K({time, D}), d_target({time, D}), d_norm_weight({1, D}), d_norm_bias({1, D});
  Tensor<float, 1> d_rate({time}), d_scale({time});
  Workspace scratch;

  std::vector<StreamState<M>> saved;
  StreamState<M> stream = head.start, d_stream = head.start;
  walk<M>(stream.head(0), 0, head.settings(), head.scales(), head.sequence(), out, scratch,
          [&](Index i, const Tokens<float>&) {
            if (i % group == 0) saved.push_back(stream);
          });
  for (auto _ : state) {
    StreamState<M>::visit([](const std::string&, auto& t) { std::fill(t.begin(), t.end(), 0.0f); }, d_stream);
    walk_vjp<M>([&](Index g) { return saved[static_cast<std::size_t>(g)].head(0); }, 0, group, head.settings(),
                head.scales(), head.sequence(), d_out, d_stream.head(0), {d_Q, d_K, d_target, d_rate, d_scale},
                [&](Index) {
                  return NormGradientRows<float>{d_norm_weight, d_norm_bias};
                },
                scratch);
    benchmark::ClobberMemory();
  }
  count(state, "tokens", real(time));
  count(state, "FLOP", 2 * real(time) * inner_flop<M>(D, mini_batch));
}

void head_sizes(benchmark::internal::Benchmark* b) { b->Arg(32)->Arg(64)->Arg(96)->Arg(128); }

using Linear = LinearModel<float>;
using Mlp = MlpModel<float>;

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
