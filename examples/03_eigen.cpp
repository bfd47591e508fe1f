// SPDX-License-Identifier: MIT
// Eigen matrices in and out: row-major ones are read where they lie, column-major ones are copied.
#include <cmath>
#include <iostream>

#include "ttt/eigen.hpp"

int main() {
  ttt::Rng rng(1);
  const ttt::TttLinear<double> layer({.hidden_size = 64, .num_heads = 2, .mini_batch_size = 8}, rng);

  // A token in each row.
  const ttt::RowMajorMatrix<double> x = ttt::RowMajorMatrix<double>::Random(40, 64);
  const ttt::RowMajorMatrix<double> y = ttt::apply(layer, x);  // no copy of x
  const Eigen::MatrixXd column_major = x;
  const Eigen::MatrixXd z = ttt::apply(layer, column_major);  // copies: Eigen's default order is by column
  std::cout << "same result from both orders: " << std::boolalpha << (y == z) << '\n';

  // Parameters as Eigen matrices: on the same memory, but for dense weights, which lie packed.
  const ttt::Tensor<double, 2> unpacked = layer.params().q_proj.tensor();
  auto q_proj = ttt::map(unpacked.view());
  std::cout << "q_proj is " << q_proj.rows() << " x " << q_proj.cols() << ", its norm about "
            << std::lround(q_proj.norm()) << '\n';
  return y == z ? 0 : 1;
}

// Output:
// same result from both orders: true
// q_proj is 64 x 64, its norm about 1
