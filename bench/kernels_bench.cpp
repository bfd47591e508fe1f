// SPDX-License-Identifier: MIT
// Single kernels on one thread, beside plain Eigen. Sizes are those of head size 64 with mini-batches of 16, and of a
// projection at hidden size 768. Data stays in cache, except where it says not.
#include "bench.hpp"
#include "peers/plain_eigen.hpp"
#include "ttt/base/random.hpp"
#include "ttt/eigen.hpp"
#include "versions.hpp"

namespace ttt::bench {
namespace {

using Data = Tensor<float, 2>;

ops::NormWeights<float> norm_weights(const plain::Norm& norm) { return {norm.weight.data(), norm.bias.data()}; }

plain::Norm random_norm(Index n) { return {plain::Row::Random(n), plain::Row::Random(n)}; }

View<const float, 1> view_of(const plain::Vector& v) { return {v.data(), {v.size()}}; }

auto map_of(Data& t) { return map(t.view()); }

/// C = A B. [m, k] [k, n]: 2 m k n FLOP
void matmul(benchmark::State& state, Version version) {
  const Index m = state.range(0), k = state.range(1), n = state.range(2);
  Rng rng(1);
  Data A = normal<float>({m, k}, rng), B = normal<float>({k, n}, rng), C({m, n});
  run(
      state, version, C, [&] { ops::matmul(A, B, C.view()); }, [&] { map_of(C).noalias() = map_of(A) * map_of(B); },
      [&](const Meter& meter) {
        meter.tokens(real(m));
        meter.flop(2 * real(m * k * n));
        meter.bytes(sizeof(float) * real(m * k + k * n + m * n));
      });
}

/// C = A B^T. [m, k] [n, k]: 2 m k n FLOP
void matmul_transposed(benchmark::State& state, Version version) {
  const Index m = state.range(0), k = state.range(1), n = state.range(2);
  Rng rng(1);
  Data A = normal<float>({m, k}, rng), B = normal<float>({n, k}, rng), C({m, n});
  run(
      state, version, C, [&] { ops::matmul_transposed(A, B, C.view()); },
      [&] { map_of(C).noalias() = map_of(A) * map_of(B).transpose(); },
      [&](const Meter& meter) {
        meter.tokens(real(m));
        meter.flop(2 * real(m * k * n));
        meter.bytes(sizeof(float) * real(m * k + k * n + m * n));
      });
}

/// C += alpha A^T B. [r, m] [r, n]: 2 r m n FLOP
void add_outer(benchmark::State& state, Version version) {
  const Index r = state.range(0), m = state.range(1), n = state.range(2);
  Rng rng(1);
  Data A = normal<float>({r, m}, rng), B = normal<float>({r, n}, rng), C({m, n});
  const float alpha = -0.5f;
  run(
      state, version, C, [&] { ops::add_outer(alpha, A, B, C.view()); },
      [&] { map_of(C).noalias() += alpha * map_of(A).transpose() * map_of(B); },
      [&](const Meter& meter) {
        meter.tokens(real(r));
        meter.flop(2 * real(r * m * n));
        meter.bytes(sizeof(float) * real(r * m + r * n + 2 * m * n));
      });
}

/// Z_t = x_t W + b - scale_t sum_{s <= t} (x_t . X_s + 1) G_s. [b, k] [k, n], and two triangles of b (b + 1) / 2 rows
void apply_updated(benchmark::State& state, Version version) {
  const Index b = state.range(0), k = state.range(1), n = state.range(2);
  Rng rng(1);
  Data x = normal<float>({b, k}, rng), X = normal<float>({b, k}, rng), G = normal<float>({b, n}, rng), Z({b, n});
  Data W = normal<float>({k, n}, rng), bias = normal<float>({1, n}, rng), P({b, b});
  const plain::Vector scale = plain::Vector::Random(b);
  plain::Matrix weights(b, b);
  run(
      state, version, Z,
      [&] { ops::apply_updated(x, W, bias.view()[0], X, G, view_of(scale), 1.0f, 0, P.view(), Z.view()); },
      [&] {
        map_of(Z).noalias() = map_of(x) * map_of(W);
        map_of(Z).rowwise() += map_of(bias).row(0);
        map_of(P).noalias() = map_of(x) * map_of(X).transpose();
        plain::causal_update(map_of(P), map_of(G), scale, weights, map_of(Z));
      },
      [&](const Meter& meter) {
        meter.tokens(real(b));
        meter.flop(real(2 * b * k * n + b * (b + 1) * (k + n)));
        meter.bytes(sizeof(float) * real(2 * b * (k + n) + k * n));
      });
}

/// Reads and writes every element once.
void layer_norm(benchmark::State& state, Version version) {
  const Index rows = state.range(0), n = state.range(1);
  Rng rng(1);
  Data x = normal<float>({rows, n}, rng), y({rows, n});
  const plain::Norm norm = random_norm(n);
  run(
      state, version, y, [&] { ops::layer_norm(x, norm_weights(norm), y.view()); },
      [&] { plain::layer_norm(map_of(x), norm, map_of(y)); },
      [&](const Meter& meter) {
        meter.tokens(real(rows));
        meter.bytes(2 * sizeof(float) * real(rows * n));
      });
}

/// Reads two matrices and writes one.
void reconstruction_gradient(benchmark::State& state, Version version) {
  const Index rows = state.range(0), n = state.range(1);
  Rng rng(1);
  Data Z = normal<float>({rows, n}, rng), target = normal<float>({rows, n}, rng), G({rows, n});
  const plain::Norm norm = random_norm(n);
  const plain::Vector rate = plain::Vector::Random(rows);
  run(
      state, version, G, [&] { ops::reconstruction_gradient(Z, target, norm_weights(norm), view_of(rate), G.view()); },
      [&] { plain::reconstruction_gradient(map_of(Z), map_of(target), norm, rate, 0, map_of(G)); },
      [&](const Meter& meter) {
        meter.tokens(real(rows));
        meter.bytes(3 * sizeof(float) * real(rows * n));
      });
}

/// Reads and writes every element once.
void gelu(benchmark::State& state, Version version) {
  const Index rows = state.range(0), n = state.range(1);
  Rng rng(1);
  Data z = normal<float>({rows, n}, rng), y({rows, n});
  run(
      state, version, y, [&] { ops::gelu(z, y.view()); }, [&] { plain::gelu(map_of(z), map_of(y)); },
      [&](const Meter& meter) {
        meter.tokens(real(rows));
        meter.bytes(2 * sizeof(float) * real(rows * n));
      });
}

/// Reads the logits and writes their gradients in their place; so the next iteration has other logits.
void cross_entropy(benchmark::State& state, Version version) {
  const Index rows = state.range(0), vocabulary = state.range(1);
  Rng rng(1);
  Data logits = normal<float>({rows, vocabulary}, rng);
  Tensor<std::int32_t, 1> target({rows});
  for (std::int32_t& t : target) t = static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(vocabulary)));
  Tensor<float, 1> loss({rows});
  run(
      state, version, logits, [&] { ops::cross_entropy(logits.view(), target, 1.0f, loss); },
      [&] { plain::cross_entropy(map_of(logits), target.data(), 1.0f, loss.data()); },
      [&](const Meter& meter) {
        meter.tokens(real(rows));
        meter.bytes(2 * sizeof(float) * real(rows * vocabulary));
      });
}

/// Reads gradients, parameters and both moments, and writes the last three. All of it is 128 MiB, to leave the
/// cache.
void adamw(benchmark::State& state, Version version) {
  const Index n = state.range(0);
  Rng rng(1);
  Data gradient({1, n}), updated({3, n});  // parameters and the two moments
  fill_uniform<float>(gradient[0], -1, 1, rng);
  fill_uniform<float>(updated[0], -1, 1, rng);
  const ops::AdamwStep step{.rate = 1e-3,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .epsilon = 1e-8,
                            .weight_decay = 0.1,
                            .correction1 = 0.1,
                            .correction2 = 0.05,
                            .gradient_factor = 0.5};
  const auto row = [&](Index i) { return updated.view().row_range(i, 1); };
  run(
      state, version, updated,
      [&] { ops::kernels<float>().adamw(step, n, gradient.data(), row(0).data(), row(1).data(), row(2).data()); },
      [&] { plain::adamw(step, map_of(gradient), map(row(0)), map(row(1)), map(row(2))); },
      [&](const Meter& meter) { meter.bytes(7 * sizeof(float) * real(n)); });
}

/// The products of the inner models: with W1 of TTT-Linear, W1 and W2 of TTT-MLP.
void products(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "k", "n"})->Args({16, 64, 64})->Args({16, 64, 256})->Args({16, 256, 64});
}
BENCHMARK_CAPTURE(matmul, ttt, Version::ttt)->Apply(products);
BENCHMARK_CAPTURE(matmul, eigen, Version::eigen)->Apply(products);

/// Scores, gradients through W2, one task of a projection, the same for one token.
void transposed_products(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "k", "n"})->Args({16, 64, 16})->Args({16, 64, 256})->Args({128, 768, 64})->Args({1, 768, 64});
}
BENCHMARK_CAPTURE(matmul_transposed, ttt, Version::ttt)->Apply(transposed_products);
BENCHMARK_CAPTURE(matmul_transposed, eigen, Version::eigen)->Apply(transposed_products);

void steps(benchmark::internal::Benchmark* b) { b->ArgNames({"r", "m", "n"})->Args({16, 64, 64})->Args({16, 64, 256}); }
BENCHMARK_CAPTURE(add_outer, ttt, Version::ttt)->Apply(steps);
BENCHMARK_CAPTURE(add_outer, eigen, Version::eigen)->Apply(steps);

void mini_batches(benchmark::internal::Benchmark* b) {
  b->ArgNames({"b", "k", "n"})->Args({16, 64, 64})->Args({16, 64, 256})->Args({16, 256, 64});
}
BENCHMARK_CAPTURE(apply_updated, ttt, Version::ttt)->Apply(mini_batches);
BENCHMARK_CAPTURE(apply_updated, eigen, Version::eigen)->Apply(mini_batches);

void rows_of_inner_and_post_norm(benchmark::internal::Benchmark* b) {
  b->ArgNames({"rows", "n"})->Args({16, 64})->Args({16, 768});
}
BENCHMARK_CAPTURE(layer_norm, ttt, Version::ttt)->Apply(rows_of_inner_and_post_norm);
BENCHMARK_CAPTURE(layer_norm, eigen, Version::eigen)->Apply(rows_of_inner_and_post_norm);

BENCHMARK_CAPTURE(reconstruction_gradient, ttt, Version::ttt)->ArgNames({"rows", "n"})->Args({16, 64});
BENCHMARK_CAPTURE(reconstruction_gradient, eigen, Version::eigen)->ArgNames({"rows", "n"})->Args({16, 64});

BENCHMARK_CAPTURE(gelu, ttt, Version::ttt)->ArgNames({"rows", "n"})->Args({16, 256});
BENCHMARK_CAPTURE(gelu, eigen, Version::eigen)->ArgNames({"rows", "n"})->Args({16, 256});

BENCHMARK_CAPTURE(cross_entropy, ttt, Version::ttt)->ArgNames({"rows", "vocabulary"})->Args({16, 32000});
BENCHMARK_CAPTURE(cross_entropy, eigen, Version::eigen)->ArgNames({"rows", "vocabulary"})->Args({16, 32000});

BENCHMARK_CAPTURE(adamw, ttt, Version::ttt)->ArgName("n")->Arg(1 << 23);
BENCHMARK_CAPTURE(adamw, eigen, Version::eigen)->ArgName("n")->Arg(1 << 23);

}  // namespace
}  // namespace ttt::bench
