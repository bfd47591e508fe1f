// SPDX-License-Identifier: MIT
// A chain of maps is the same model as the ones written out: TTT-Linear, TTT-MLP, and one of three layers.
#include "ttt/inner/chain.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/deep_model.hpp"
#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {
namespace {

/// The widths of M, with GELU in between.
template <class M>
struct GeluSpec {
  using Scalar = typename M::Scalar;
  using In = View<const Scalar>;
  static constexpr std::size_t depth = M::depth;
  static constexpr double default_base_lr = M::default_base_lr;

  static std::array<inner::AffineShape, depth> shapes(Index head_dim) { return M::shapes(head_dim); }

  static void value(In z, View<Scalar> y) { ops::gelu(z, y); }
  static void value_vjp(In z, In dy, View<Scalar> dz) { ops::gelu_vjp(z, dy, dz); }
  static void gradient(In z, In s, View<Scalar> g) { ops::gelu_gradient(z, s, g); }
  static void gradient_vjp(In z, In s, In dg, View<Scalar> ds, View<Scalar> dz) {
    ops::gelu_gradient_vjp(z, s, dg, ds, dz);
  }
};

/// All bytes of a run, for models whose types differ and whose tensors do not.
template <class M>
struct Run {
  Tensor<typename M::Scalar, 3> y, dx;
  TttParams<M> d_params;
};

template <class M>
Run<M> run(const TttConfig& config, std::uint64_t seed) {
  Rng rng(seed);
  const TttProblem<M> problem(config, 2, 10, 30, rng);
  TttState<M> state = problem.start();
  Tensor<typename M::Scalar, 3> y = forward_in_pieces(problem.layer, problem.x, state, {17, 13});
  auto d = problem.gradients();
  return {std::move(y), std::move(d.x), std::move(d.params)};
}

template <class M>
class ChainOf : public testing::Test {};

using Models = testing::Types<inner::Linear<float>, inner::Mlp<double>, DeepModel<float>>;
TYPED_TEST_SUITE(ChainOf, Models);

TYPED_TEST(ChainOf, MapsIsTheModelToTheBit) {
  const auto written_out = run<TypeParam>(full_config(), 77);
  const auto chain = run<inner::Chain<GeluSpec<TypeParam>>>(full_config(), 77);
  EXPECT_TRUE(same_bits(chain.y, written_out.y));
  EXPECT_TRUE(same_bits(chain.dx, written_out.dx));
  TttParams<TypeParam>::visit(
      [](const std::string& name, const auto& a, const auto& b) { EXPECT_TRUE(same_bits(a, b)) << name; },
      chain.d_params, written_out.d_params);
}

}  // namespace
}  // namespace ttt::support
