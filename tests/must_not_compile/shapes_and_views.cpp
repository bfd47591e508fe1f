// SPDX-License-Identifier: MIT
// What the compiler must refuse, one case at a time; without CASE, their right counterparts, which it must accept.
#include <array>
#include <span>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/base/tensor.hpp"
#include "ttt/base/workspace.hpp"
#include "ttt/ops/dense.hpp"

#ifndef CASE
#define CASE 0
#endif

namespace {

using ttt::Index;
using ttt::Tensor;
using ttt::View;

float data[6] = {};
[[maybe_unused]] void read(View<const float, 1>) {}
[[maybe_unused]] void read_rows(View<const float, 2>) {}
[[maybe_unused]] void write(View<float, 1>) {}
[[maybe_unused]] void write_rows(View<float, 2>) {}

[[maybe_unused]] void compile(ttt::Rng& rng, ttt::Frame& frame, const std::vector<float>& constants) {
#if CASE == 0
  const Index n = 3;
  Tensor<float, 2> a({2, n}), like_a(a.shape());
  Tensor<float, 1> b({n});
  const View<float, 2> rows(data, {2, 3}), strided(data, {2, 2}, {3, 1});
  frame.take<float, 2>({2, n});
  frame.zeros<float, 2>(a.shape());
  const ttt::Dense<float> W({2, n}), bf16({2, n}, ttt::WeightFormat::bf16);
  const Tensor<float, 2> x = ttt::normal<float>({2, 3}, rng), y = ttt::normal<float, 2>({2, 3}, rng);
  const auto view = x.view();
  read(b), read(std::vector<float>(3)), read(constants), read(std::array<float, 3>{}), read(data), read(view[0]);
  read_rows(ttt::normal<float>({2, 3}, rng));
  std::vector<float> mutable_range(3);
  write(mutable_range), write(std::span<float>(mutable_range)), write(data), write(b), write_rows(a);
  write_rows(rows), write_rows(strided), write_rows(like_a), read_rows(y), read_rows(W.tensor()),
      read_rows(bf16.tensor());

// A shape of another rank.
#elif CASE == 1
  Tensor<float, 3> a({1, 100});
#elif CASE == 2
  Tensor<float, 2> a({1, 2, 3});
#elif CASE == 3
  View<float, 3> v(data, {1, 6});
#elif CASE == 4
  View<float, 2> v(data, {2, 3}, {3});
#elif CASE == 5
  frame.take<float, 3>({1, 100});
#elif CASE == 6
  frame.zeros<float, 2>({100});
#elif CASE == 7
  ttt::Dense<float> W({100});
#elif CASE == 8
  ttt::normal<float, 3>({1, 100}, rng);
#elif CASE == 9
  Tensor<float, 3> a = ttt::normal<float>({1, 100}, rng);

// The view of a temporary, which would outlive it or be written to in vain.
#elif CASE == 10
  const auto view = ttt::normal<float>({2, 3}, rng).view();
#elif CASE == 11
  const auto view = static_cast<const Tensor<float, 2>&&>(Tensor<float, 2>({2, 3})).view();
#elif CASE == 12
  write_rows(ttt::normal<float>({2, 3}, rng));
#elif CASE == 13
  write(std::vector<float>(3));

// A range that is constant, of other elements or not contiguous; a tensor as the row of all its elements.
#elif CASE == 14
  write(constants);
#elif CASE == 15
  read(std::vector<double>(3));
#elif CASE == 16
  read(std::vector<bool>(3));
#elif CASE == 17
  read(Tensor<float, 2>({2, 3}));
#endif
}

}  // namespace
