// SPDX-License-Identifier: MIT
// The scan of one head: how it cuts a sequence, and that what its adjoint keeps and what it computes again is no
// matter.
#include "ttt/inner/scan_vjp.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <tuple>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/inner/linear.hpp"
#include "ttt/inner/mlp.hpp"

namespace ttt {
namespace {

TEST(MiniBatchCuts, CoverASequenceInOrder) {
  for (Index size : {1, 2, 5}) {
    for (Index open = 0; open < size; ++open) {
      for (Index time = 0; time < 17; ++time) {
        const inner::MiniBatchCuts pieces{time, open, size};
        Index t = 0;
        for (Index i = 0; i < pieces.count(); ++i) {
          EXPECT_EQ(pieces.start(i), t);
          EXPECT_EQ(pieces.open_before(i), (open + t) % size);
          EXPECT_GT(pieces.length(i), 0);
          EXPECT_LE(pieces.open_before(i) + pieces.length(i), size);
          t += pieces.length(i);
          EXPECT_EQ(pieces.full(i), (open + t) % size == 0);
        }
        EXPECT_EQ(t, time);
      }
    }
  }
}

constexpr Index b = 4, D = 6, time_steps = 23, open_rows = 3;

/// One head of a sequence, with memory of its own.
template <class M>
class Scan : public testing::Test {
 protected:
  using Scalar = typename M::Scalar;

  /// A state of random weights and open rows.
  inner::HeadState<M> random_state() {
    inner::HeadState<M> state = inner::take_state<M>(frame, b, D);
    for (const auto& map : state) {
      for (const View<Scalar>& part : {map.W, map.b, map.X, map.G}) randomise(part);
    }
    return state;
  }

  View<Scalar> random(Index rows, Index cols) {
    const View<Scalar> v = frame.take<Scalar, 2>({rows, cols});
    randomise(v);
    return v;
  }

  void randomise(const View<Scalar>& v) { fill_normal<Scalar>({v.data(), {v.size()}}, 0.5, rng); }

  Rng rng{3};
  Workspace memory, work;
  Frame frame{memory};
  View<Scalar> norm_of_head = random(2, D);
  inner::HeadSettings<Scalar> head{{norm_of_head[0].data(), norm_of_head[1].data()}, true, Scalar(1)};
  inner::Tokens<const Scalar> in{random(time_steps, D), random(time_steps, D), random(time_steps, D),
                                 random(1, time_steps)[0], random(1, time_steps)[0]};
};

using Models = testing::Types<inner::Linear<float>, inner::Linear<double>, inner::Mlp<float>, inner::Mlp<double>>;
TYPED_TEST_SUITE(Scan, Models);

TYPED_TEST(Scan, TellsOfEveryMiniBatchBeforeItIsRead) {
  const auto state = this->random_state();
  std::vector<std::tuple<Index, Index, Index>> seen;  // number, first row, length
  inner::scan<TypeParam>(
      state, open_rows, b, this->head, this->in, this->random(time_steps, D), this->work,
      [&](Index i, const auto& tokens, const auto&) { seen.emplace_back(i, tokens.open, tokens.size()); });
  const std::vector<std::tuple<Index, Index, Index>> expected{{0, 3, 1}, {1, 0, 4}, {2, 0, 4}, {3, 0, 4},
                                                              {4, 0, 4}, {5, 0, 4}, {6, 0, 2}};
  EXPECT_EQ(seen, expected);
}

// Weights that are computed again come from the same operations, so to the bit it is no matter how many are kept.
TYPED_TEST(Scan, TheAdjointIsTheSameHoweverManyStatesAreKept) {
  using T = typename TypeParam::Scalar;
  const inner::MiniBatchCuts pieces{time_steps, open_rows, b};
  const auto state = this->random_state(), d_final = this->random_state();
  std::vector<inner::HeadState<TypeParam>> before;  // every mini-batch
  inner::scan<TypeParam>(state, open_rows, b, this->head, this->in, this->random(time_steps, D), this->work,
                         [&](Index, const auto&, const auto& seen) {
                           before.push_back(inner::take_state<TypeParam>(this->frame, b, D));
                           inner::copy_weights<TypeParam>(seen, before.back());
                           inner::copy_open_rows<TypeParam>(seen, before.back(), b);
                         });
  const View<T> d_out = this->random(time_steps, D);

  std::vector<std::vector<View<T>>> results;
  for (const Index group : {1, 2, 3, 7, 100}) {
    const auto d_state = inner::take_state<TypeParam>(this->frame, b, D);
    inner::copy_weights<TypeParam>(d_final, d_state);
    inner::copy_open_rows<TypeParam>(d_final, d_state, b);
    const inner::Tokens<T> d{this->random(time_steps, D), this->random(time_steps, D), this->random(time_steps, D),
                             this->random(1, time_steps)[0], this->random(1, time_steps)[0]};
    const View<T> d_norm = this->frame.template zeros<T, 2>({2 * pieces.count(), D});
    inner::scan_vjp<TypeParam>(
        [&](Index g) { return before[static_cast<std::size_t>(g * group)]; }, open_rows, b, group, this->head, this->in,
        d_out, d_state, d,
        [&](Index g) {
          return inner::NormGradientRows<T>{d_norm.row_range(2 * g, 1), d_norm.row_range(2 * g + 1, 1)};
        },
        this->work);
    std::vector<View<T>> all{d.Q, d.K, d.target, {d.rate.data(), {1, time_steps}}, {d.scale.data(), {1, time_steps}}};
    for (const auto& map : d_state) all.insert(all.end(), {map.W, map.b, map.X, map.G});
    results.push_back(all);
  }
  for (const std::vector<View<T>>& found : results) {
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(
          0, std::memcmp(found[i].data(), results[0][i].data(), static_cast<std::size_t>(found[i].size()) * sizeof(T)))
          << "result " << i;
    }
  }
}

}  // namespace
}  // namespace ttt
