// SPDX-License-Identifier: MIT
// Rows of dense products alone: many rows, which arithmetic limits, and one row, which reading the weights limits.
#include "loops.hpp"
#include "summary/summary.hpp"
#include "ttt/base/random.hpp"
#include "ttt/ops/dense.hpp"
#include "work.hpp"

namespace ttt::bench {
namespace {

Dense<float> random_weights(Index size) {
  Rng rng(1);
  return Dense<float>(normal<float>({size, size}, rng));
}

/// 2 in out FLOP for every row.
Spread many_rows(Index size) {
  constexpr Index rows = 2048;
  const Dense<float> W = random_weights(size);
  Rng rng(2);
  const Tensor<float, 2> x = normal<float>({rows, size}, rng);
  Tensor<float, 2> y({rows, size});
  return share_of_peak(widest(), 2 * real(rows * size * size), [&] { ops::project(x, W, y.view()); });
}

/// Through matrices of 2048 x 2048, 16 MiB each, more of them than caches hold. The read is of the very same memory, as
/// pages that lie elsewhere may be faster or slower.
Spread one_row() {
  constexpr Index size = 2048, bytes = size * size * Index(sizeof(float));
  const std::vector<Dense<float>> all(beyond_caches / bytes, random_weights(size));
  Rng rng(2);
  const Tensor<float, 2> x = normal<float>({1, size}, rng);
  Tensor<float, 2> y({1, size});
  const auto read = loops(widest()).read;
  return ratio(
      thread_seconds, 1.5,
      [&] {
        for (const Dense<float>& W : all) read(reinterpret_cast<const std::byte*>(W.values().data()), bytes);
      },
      [&] {
        for (const Dense<float>& W : all) ops::project(x, W, y.view());
      });
}

}  // namespace

void add_projection_rows(std::vector<Row>& rows) {
  rows.push_back({"projection_768", "of peak", [] { return many_rows(768); }});
  rows.push_back({"projection_2048", "of peak", [] { return many_rows(2048); }});
  rows.push_back({"projection_decode", "of read bandwidth", one_row});
}

}  // namespace ttt::bench
