// SPDX-License-Identifier: MIT
// Float stays beside double over 100,000 tokens.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "support/in_rows.hpp"
#include "support/laws.hpp"

namespace ttt::support {
namespace {

TttConfig drift_config() {
  return {
      .hidden_size = 16, .num_heads = 2, .mini_batch_size = 16, .conv_kernel = 4, .share_qk = true, .use_gate = true};
}

/// Rounds the parameters to float, so that both layers have the same ones.
template <class Single, class Double>
Single rounded(Double& params) {
  Single p = Single::zeros(drift_config());
  Single::visit(
      []<class To, class From>(const std::string&, To& to, From& from) {
        auto exact = in_rows(from);
        auto single = in_rows(to);
        for (Index i = 0; i < single.size(); ++i) {
          single.data()[i] = static_cast<float>(exact.data()[i]);
          exact.data()[i] = static_cast<double>(single.data()[i]);
        }
        to = To(single);
        from = From(exact);
      },
      p, params);
  return p;
}

struct Distance {
  double squares = 0, size = 0;

  void add(float found, double expected) {
    squares += (static_cast<double>(found) - expected) * (static_cast<double>(found) - expected);
    size += expected * expected;
  }
  double relative() const { return std::sqrt(squares / size); }
};

// Every step rounds every weight once, by at most eps / 2 of its size. A step is a gradient step of a loss that layer
// norms keep flat, so it neither amplifies earlier errors, nor need it shrink them: then errors of either sign add up
// to sqrt(steps) eps / 2. We allow twice that, and for outputs what one token's own arithmetic adds, n eps for its
// longest sum of n products. A recursion that amplified errors by a thousandth a step would be off by 2^9 after 6250
// steps.
template <template <class> class M>
void expect_no_drift() {
  const Threads one(1);
  constexpr Index tokens = 100000, pieces = 100, time = tokens / pieces;
  constexpr double eps = std::numeric_limits<float>::epsilon();
  Rng rng(31);
  auto params = random_params(TttParams<M<double>>::zeros(drift_config()), rng);
  const Ttt<M<float>> single(drift_config(), rounded<TttParams<M<float>>>(params));
  const Ttt<M<double>> reference(drift_config(), std::move(params));
  auto state = single.start(1);
  auto reference_state = reference.start(1);
  Workspace work;
  Tensor<float, 3> x({1, time, 16}), y(x.shape());
  Tensor<double, 3> x_reference(x.shape()), y_reference(x.shape());
  const auto longest_sum = static_cast<double>(M<float>::shapes(8).back().in + 16);
  for (Index piece = 1; piece <= pieces; ++piece) {
    for (Index i = 0; i < x.size(); ++i) {
      x.data()[i] = static_cast<float>(rng.normal());
      x_reference.data()[i] = static_cast<double>(x.data()[i]);
    }
    single.forward(x, state, work, y);
    reference.forward(x_reference, reference_state, work, y_reference);

    Distance outputs, weights;
    for (Index i = 0; i < y.size(); ++i) outputs.add(y.data()[i], y_reference.data()[i]);
    for (std::size_t m = 0; m < M<float>::depth; ++m) {
      const auto& W = state.streams[0].maps[m].W;
      const auto& expected = reference_state.streams[0].maps[m].W;
      for (Index i = 0; i < W.size(); ++i) weights.add(W.data()[i], expected.data()[i]);
    }
    const double drifted = std::sqrt(static_cast<double>(piece * time / 16)) * eps;
    ASSERT_LE(weights.relative(), drifted) << "after " << piece * time << " tokens";
    ASSERT_LE(outputs.relative(), drifted + longest_sum * eps) << "after " << piece * time << " tokens";
  }
}

TEST(Drift, OfTttLinearStaysBounded) { expect_no_drift<inner::Linear>(); }
TEST(Drift, OfTttMlpStaysBounded) { expect_no_drift<inner::Mlp>(); }

}  // namespace
}  // namespace ttt::support
