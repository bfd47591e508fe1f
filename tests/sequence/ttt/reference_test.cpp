// SPDX-License-Identifier: MIT
// The dual form against the primal form, at random sizes and with every switch: outputs, inner weights, inner losses.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "reference/ttt.hpp"
#include "support/in_rows.hpp"
#include "support/laws.hpp"

namespace ttt::support {
namespace {

using reference::Matrix;
using reference::Parameters;
using reference::Result;
using reference::Vector;

template <class M>
reference::Parameters parameters(const TttParams<M>& params) {
  Parameters p;
  TttParams<M>::visit(
      [&](const std::string& name, const auto& t) {
        const auto& rows = in_rows(t);
        p[name] = Vector(rows.begin(), rows.end());
      },
      params);
  return p;
}

template <class T>
Matrix matrix(View<const T> x) {
  Matrix m;
  for (Index i = 0; i < x.rows(); ++i) m.emplace_back(x[i].data(), x[i].data() + x.cols());
  return m;
}

/// Every result as one list of numbers, in groups that are compared by their largest error.
std::vector<Vector> groups(const Result& r) {
  std::vector<Vector> all;
  for (const Matrix* m : {&r.y, &r.initial, &r.before, &r.after}) {
    all.emplace_back();
    for (const Vector& row : *m) all.back().insert(all.back().end(), row.begin(), row.end());
  }
  for (const reference::InnerModel& head : r.heads) {
    for (const reference::Map& map : head.maps) {
      all.push_back(map.b);
      for (const Vector& row : map.W) all.back().insert(all.back().end(), row.begin(), row.end());
    }
  }
  return all;
}

double largest_difference(const Vector& a, const Vector& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// The library's result for one sequence in the form of the reference's.
template <class M>
Result run(const Ttt<M>& layer, const Tensor<typename M::Scalar, 3>& x, double inner_lr) {
  using T = typename M::Scalar;
  Tensor<T, 3> y(x.shape());
  TttState<M> state = layer.start(1);
  Workspace work;
  InnerLosses<T> losses;
  layer.forward(x, state, work, y, {.inner_lr = inner_lr, .losses = &losses});
  Result r{matrix<T>(y[0]), matrix<T>(losses.initial[0]), matrix<T>(losses.before[0]), matrix<T>(losses.after[0]), {}};
  for (Index h = 0; h < layer.config().num_heads; ++h) {
    reference::InnerModel head;
    for (const auto& map : state.streams[0].maps) {
      const View<const T, 1> b = map.b[h][0];
      head.maps.push_back({matrix<T>(map.W[h]), Vector(b.data(), b.data() + b.size())});
    }
    r.heads.push_back(head);
  }
  return r;
}

template <class M>
class LayerReference : public testing::Test {
 protected:
  Rng rng{42};

  Index between(Index low, Index high) {
    return low + static_cast<Index>(rng.below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool coin() { return rng.below(2) == 0; }

  // A sum of n products in arithmetic of relative precision eps is the exact sum of products whose factors are off by
  // at most n eps (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). So the result is to be as
  // close to the reference as the reference is to itself with inputs and parameters off by that much; twice, as the
  // reference rounds too, and with three samples of such errors.
  void compare(const TttConfig& config, Index time, double inner_lr) {
    using T = typename M::Scalar;
    const Ttt<M> layer = random_ttt<M>(config, rng);
    const Tensor<T, 3> x = normal<T, 3>({1, time, config.hidden_size}, rng);
    std::vector<Index> widths;
    for (const inner::AffineShape& shape : M::shapes(config.head_dim())) widths.push_back(shape.out);
    widths.pop_back();
    TttConfig with_rate = config;
    with_rate.base_lr = layer.config().base_lr;
    const Parameters p = parameters(layer.params());
    const Matrix rows = matrix<T>(x[0]);
    const std::vector<Vector> expected = groups(reference::Layer(with_rate, widths, p)(rows, inner_lr));
    const std::vector<Vector> found = groups(run(layer, x, inner_lr));

    const Index longest_sum = std::max({config.hidden_size, 4 * config.head_dim(), config.mini_batch_size}) + time;
    const double off = static_cast<double>(longest_sum) * std::numeric_limits<T>::epsilon() / 2;
    std::vector<double> tolerance(expected.size(), 0.0);
    for (int sample = 0; sample < 3; ++sample) {
      const auto disturb = [&](Vector& v) {
        for (double& value : v) value *= 1 + off * (coin() ? 1 : -1);
      };
      Parameters q = p;
      Matrix disturbed = rows;
      for (auto& [name, values] : q) disturb(values);
      for (Vector& row : disturbed) disturb(row);
      const std::vector<Vector> other = groups(reference::Layer(with_rate, widths, q)(disturbed, inner_lr));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        tolerance[i] = std::max(tolerance[i], 2 * largest_difference(other[i], expected[i]));
      }
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error = largest_difference(found[i], expected[i]);
      EXPECT_LE(error, tolerance[i]) << "group " << i << ", C " << config.hidden_size << ", heads " << config.num_heads
                                     << ", mini-batch " << config.mini_batch_size << ", " << time << " tokens";
    }
  }
};

using Models = testing::Types<inner::Linear<double>, inner::Mlp<double>, inner::Linear<float>, inner::Mlp<float>>;
TYPED_TEST_SUITE(LayerReference, Models);

TYPED_TEST(LayerReference, AgreesAtRandomSizes) {
  for (int i = 0; i < 12; ++i) {
    const Index heads = this->between(1, 5);
    const TttConfig config{.hidden_size = heads * 2 * this->between(2, heads > 2 ? 8 : 16),
                           .num_heads = heads,
                           .mini_batch_size = this->between(1, 33),
                           .rope_theta = 1000.0,
                           .conv_kernel = this->between(1, 5),
                           .share_qk = this->coin(),
                           .use_gate = this->coin()};
    this->compare(config, this->between(1, 70), 1.0);
  }
}

TYPED_TEST(LayerReference, AgreesAtTheHeadSizesOfPublishedModels) {
  for (const Index head_dim : {64, 96}) {
    this->compare({.hidden_size = head_dim, .num_heads = 1, .mini_batch_size = 16}, 35, 1.0);
  }
}

TYPED_TEST(LayerReference, AgreesWithoutAnyOnePart) {
  for (bool Parts::*part : {&Parts::inner_norm, &Parts::inner_residual, &Parts::inner_bias, &Parts::rotary,
                            &Parts::learned_rate, &Parts::token_scale, &Parts::learned_w0}) {
    TttConfig config = full_config();
    config.base_lr = 0.5;
    config.parts.*part = false;
    this->compare(config, 30, 1.0);
  }
}

TYPED_TEST(LayerReference, AgreesAtOtherRates) {
  for (const double inner_lr : {0.0, 0.3, 2.0}) this->compare(full_config(), 30, inner_lr);
}

}  // namespace
}  // namespace ttt::support
