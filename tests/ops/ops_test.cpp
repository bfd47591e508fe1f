// SPDX-License-Identifier: MIT
// Every operation asserts the shapes of its operands, where assertions are compiled.
#include "ttt/ops/ops.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace ttt::ops {
namespace {

#ifdef NDEBUG

TEST(OpsDeathTest, AssertShapes) { GTEST_SKIP() << "assertions are off"; }

#else

/// The shape that an operand needs; one of 1 row is a vector. Another number of rows or columns must be refused, but
/// for what is free.
struct Operand {
  Index rows, cols;
  bool rows_free = false, cols_free = false;
};

/// Operands in memory that has room for one more row and column.
class Operands {
 public:
  explicit Operands(const std::vector<Operand>& shapes) {
    for (const Operand& shape : shapes) add(shape.rows, shape.cols);
  }

  void resize(std::size_t i, Index rows, Index cols) { shapes_[i] = {rows, cols}; }
  View<float> operator[](std::size_t i) { return {memory_[i].data(), shapes_[i]}; }
  View<float, 1> vector(std::size_t i) { return (*this)[i][0]; }

 private:
  void add(Index rows, Index cols) {
    memory_.emplace_back(Shape<2>{rows + 1, cols + 1});
    shapes_.push_back({rows, cols});
  }

  std::vector<Tensor<float, 2> > memory_;
  std::vector<Shape<2> > shapes_;
};

/// `op` takes operands of these shapes, and dies of each that is one row or column larger.
template <class Op>
void check(const char* name, const std::vector<Operand>& shapes, const Op& op) {
  Operands right(shapes);
  op(right);
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const auto& [rows, cols, rows_free, cols_free] = shapes[i];
    const std::string which = name + (", operand " + std::to_string(i));
    if (rows > 1 && !rows_free) {
      Operands wrong(shapes);
      wrong.resize(i, rows + 1, cols);
      EXPECT_DEATH(op(wrong), "Assertion") << which << " of another number of rows";
    }
    if (!cols_free) {
      Operands wrong(shapes);
      wrong.resize(i, rows, cols + 1);
      EXPECT_DEATH(op(wrong), "Assertion") << which << " of another number of columns";
    }
  }
}

constexpr Index n = 4, k = 6, m = 8;
const std::vector<float> ones(16, 1.0f);
const NormWeights<float> norm{ones.data(), ones.data()};

TEST(OpsDeathTest, ProductsAssertShapes) {
  check("matmul", {{n, k}, {k, m}, {n, m}}, [](Operands& o) { matmul(o[0], o[1], o[2]); });
  check("matmul with a bias", {{n, k}, {k, m}, {1, m}, {n, m}},
        [](Operands& o) { matmul(o[0], o[1], o.vector(2), o[3]); });
  check("add_matmul", {{n, k}, {k, m}, {n, m}}, [](Operands& o) { add_matmul(o[0], o[1], o[2]); });
  check("matmul_transposed", {{n, k}, {m, k}, {n, m}}, [](Operands& o) { matmul_transposed(o[0], o[1], o[2]); });
  check("add_matmul_transposed", {{n, k}, {m, k}, {n, m}},
        [](Operands& o) { add_matmul_transposed(o[0], o[1], o[2]); });
  check("add_outer", {{n, k}, {n, m}, {k, m}}, [](Operands& o) { add_outer(1, o[0], o[1], o[2]); });
  check("add_column_sums", {{n, k, true}, {1, k}}, [](Operands& o) { add_column_sums(1, o[0], o.vector(1)); });
  check("apply_updated", {{n, k}, {k, m}, {1, m}, {n + 2, k}, {n + 2, m}, {1, n}, {n, n + 2}, {n, m}},
        [](Operands& o) { apply_updated(o[0], o[1], o.vector(2), o[3], o[4], o.vector(5), 1, 2, o[6], o[7]); });
  check("commit", {{n, k}, {n, m}, {k, m}, {1, m}}, [](Operands& o) { commit(1, 1, o[0], o[1], o[2], o.vector(3)); });
  check("dual_form_vjp", {{1, n}, {n, n + 2}, {n, n + 2}, {1, n}},
        [](Operands& o) { dual_form_vjp(o.vector(0), 1, 2, o[1], o[2], o.vector(3)); });
}

TEST(OpsDeathTest, NormsAndLossesAssertShapes) {
  const Operand x{n, k}, row{1, k}, column{1, n};
  check("layer_norm", {x, x}, [](Operands& o) { layer_norm(o[0], norm, o[1]); });
  check("layer_norm with a residual", {x, x, x}, [](Operands& o) { layer_norm(o[0], norm, o[1], o[2]); });
  check("layer_norm_vjp", {x, x, x, x}, [](Operands& o) { layer_norm_vjp(o[0], norm, o[1], o[2], o[3]); });
  check("rms_norm", {x, row, x}, [](Operands& o) { rms_norm(o[0], o.vector(1), 1e-6, o[2]); });
  check("rms_norm_vjp", {x, row, x, x, x},
        [](Operands& o) { rms_norm_vjp(o[0], o.vector(1), 1e-6, o[2], o[3], o[4]); });
  check("reconstruction_gradient", {x, x, column, x},
        [](Operands& o) { reconstruction_gradient(o[0], o[1], norm, o.vector(2), o[3]); });
  check("reconstruction_gradient_vjp", {x, x, column, x, x, x, column, x, x}, [](Operands& o) {
    reconstruction_gradient_vjp(o[0], o[1], norm, o.vector(2), o[3], o[4], o[5], o.vector(6), o[7], o[8]);
  });
  const std::vector<std::int32_t> target(n), outside(n, k);
  check("cross_entropy", {{n, k, false, true}, column},
        [&](Operands& o) { cross_entropy(o[0], target, 1, o.vector(1)); });
  Operands right({x, column});
  EXPECT_DEATH(cross_entropy(right[0], outside, 1, right.vector(1)), "Assertion");
}

TEST(OpsDeathTest, ActivationsAssertShapes) {
  const Operand x{n, k};
  check("gelu", {x, x}, [](Operands& o) { gelu(o[0], o[1]); });
  check("gelu_vjp", {x, x, x}, [](Operands& o) { gelu_vjp(o[0], o[1], o[2]); });
  check("gelu_and_slope", {x, x, x}, [](Operands& o) { gelu_and_slope(o[0], o[1], o[2]); });
  check("gelu_gradient", {x, x, x}, [](Operands& o) { gelu_gradient(o[0], o[1], o[2]); });
  check("gelu_gradient_vjp", {x, x, x, x, x}, [](Operands& o) { gelu_gradient_vjp(o[0], o[1], o[2], o[3], o[4]); });
  check("gelu_gate", {x, x, x}, [](Operands& o) { gelu_gate(o[0], o[1], o[2]); });
  check("gelu_gate_vjp", {x, x, x, x, x}, [](Operands& o) { gelu_gate_vjp(o[0], o[1], o[2], o[3], o[4]); });
  check("silu_gate", {x, x, x}, [](Operands& o) { silu_gate(o[0], o[1], o[2]); });
  check("silu_gate_vjp", {x, x, x, x, x}, [](Operands& o) { silu_gate_vjp(o[0], o[1], o[2], o[3], o[4]); });
  check("sigmoid", {x, x}, [](Operands& o) { sigmoid(o[0], 1, o[1]); });
  check("sigmoid_vjp", {x, x, x}, [](Operands& o) { sigmoid_vjp(o[0], 1, o[1], o[2]); });
}

TEST(OpsDeathTest, OperationsOnRowsAssertShapes) {
  const Operand x{n, k};
  check("rotate", {{n, 2 * 2, true, true}, {n, k, true}}, [](Operands& o) { rotate(o[0], 1, false, o[1]); });
  check("rotate_halves", {{n, 2, false, true}, {n, k}}, [](Operands& o) { rotate_halves(o[0], false, o[1]); });
  check("convolve", {{n + 2, k}, {3, k}, {1, k}, {n, k}}, [](Operands& o) { convolve(o[0], o[1], o.vector(2), o[3]); });
  check("convolve_vjp", {{3, k}, {n, k}, {n + 2, k}}, [](Operands& o) { convolve_vjp(o[0], o[1], o[2]); });
  check("copy", {x, x}, [](Operands& o) { copy(o[0], o[1]); });
  check("add", {x, x}, [](Operands& o) { add(o[0], o[1]); });
  check("subtract", {x, x, x}, [](Operands& o) { subtract(o[0], o[1], o[2]); });
  check("multiply", {x, x, x}, [](Operands& o) { multiply(o[0], o[1], o[2]); });
  check("dot", {x, x, {1, n}}, [](Operands& o) { dot(o[0], o[1], o.vector(2)); });
  check("divide_rows", {{1, n}, {n, k, false, true}}, [](Operands& o) { divide_rows(o.vector(0), o[1]); });
}

TEST(OpsDeathTest, AttentionAssertsShapes) {
  const Operand column{1, n};
  check("softmax_step", {{n, m, false, true}, column, column, {n, k, false, true}},
        [](Operands& o) { softmax_step(0, 1, o[0], o.vector(1), o.vector(2), o[3]); });
  check("add_band_matmul", {{n, m}, {m, k}, {n, k}}, [](Operands& o) { add_band_matmul(o[0], o[1], 0, 1, o[2]); });
  check("softmax_vjp", {column, column, column, {n, m}, {n, m}},
        [](Operands& o) { softmax_vjp(0, 1, o.vector(0), o.vector(1), o.vector(2), o[3], o[4]); });
}

#endif

}  // namespace
}  // namespace ttt::ops
