// SPDX-License-Identifier: MIT
// Fills a table of kernels from the templates, for the lanes included before.
#pragma once

#include "kernels/activation.hpp"
#include "kernels/causal.hpp"
#include "kernels/common.hpp"
#include "kernels/inner_loss.hpp"
#include "kernels/loss.hpp"
#include "kernels/matmul.hpp"
#include "kernels/norm.hpp"
#include "kernels/optimizer.hpp"
#include "kernels/project.hpp"
#include "kernels/rows.hpp"

namespace ttt {
namespace {

template <class T>
constexpr Kernels<T> make_table(Isa isa) {
  return {
      .isa = isa,
      .matmul = matmul<T>,
      .matmul_transposed = matmul_transposed<T>,
      .add_outer = add_outer<T>,
      .project = project<T>,
      .add_project_vjp = add_project_vjp<T>,
      .add_weight_vjp = add_weight_vjp<T>,
      .apply_updated = apply_updated<T>,
      .commit = commit<T>,
      .causal_update_vjp = causal_update_vjp<T>,
      .layer_norm = layer_norm<T>,
      .layer_norm_vjp = layer_norm_vjp<T>,
      .rms_norm = rms_norm<T>,
      .rms_norm_vjp = rms_norm_vjp<T>,
      .reconstruction_gradient = reconstruction_gradient<T>,
      .reconstruction_gradient_vjp = reconstruction_gradient_vjp<T>,
      .gelu = gelu<T>,
      .gelu_vjp = gelu_vjp<T>,
      .gelu_and_slope = gelu_and_slope<T>,
      .gelu_gradient = gelu_gradient<T>,
      .gelu_gradient_vjp = gelu_gradient_vjp<T>,
      .gelu_gate = gelu_gate<T>,
      .gelu_gate_vjp = gelu_gate_vjp<T>,
      .silu_gate = silu_gate<T>,
      .silu_gate_vjp = silu_gate_vjp<T>,
      .sigmoid = sigmoid<T>,
      .sigmoid_vjp = sigmoid_vjp<T>,
      .rotate = rotate<T>,
      .convolve = convolve<T>,
      .convolve_vjp = convolve_vjp<T>,
      .copy = copy<T>,
      .add = add<T>,
      .subtract = subtract<T>,
      .multiply = multiply<T>,
      .scale = scale<T>,
      .dot = dot<T>,
      .cross_entropy = cross_entropy<T>,
      .sum_squares = sum_squares<T>,
      .adamw = adamw<T>,
  };
}

}  // namespace
}  // namespace ttt
