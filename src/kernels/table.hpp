// SPDX-License-Identifier: MIT
// Fills a table of kernels from the templates, for the lanes included before.
#pragma once

#include <type_traits>

#include "kernels/activation.hpp"
#include "kernels/attention.hpp"
#include "kernels/common.hpp"
#include "kernels/dual_form.hpp"
#include "kernels/inner_loss.hpp"
#include "kernels/loss.hpp"
#include "kernels/matmul.hpp"
#include "kernels/norm.hpp"
#include "kernels/optimizer.hpp"
#include "kernels/project.hpp"
#include "kernels/rows.hpp"

namespace ttt::ops {
namespace {

/// A kernel of loops behind an entry of the table: what the entry takes by reference, the kernel has by value, for what
/// no store can change stays in registers. Products, whose loops are functions of their own, are entries themselves.
template <class Entry>
struct ByValue;

template <class R, class... Args>
struct ByValue<R (*)(Args...)> {
  template <R (*kernel)(std::remove_cvref_t<Args>...)>
  [[gnu::flatten]] static R call(Args... args) {
    return kernel(args...);
  }
};

template <class T>
constexpr Kernels<T> make_table(Isa isa) {
#define TTT_ENTRY(name) .name = ByValue<decltype(Kernels<T>::name)>::template call<name<T>>
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
      TTT_ENTRY(dual_form_vjp),
      TTT_ENTRY(layer_norm),
      TTT_ENTRY(layer_norm_vjp),
      TTT_ENTRY(rms_norm),
      TTT_ENTRY(rms_norm_vjp),
      TTT_ENTRY(reconstruction_gradient),
      TTT_ENTRY(reconstruction_gradient_vjp),
      TTT_ENTRY(gelu),
      TTT_ENTRY(gelu_vjp),
      TTT_ENTRY(gelu_and_slope),
      TTT_ENTRY(gelu_gradient),
      TTT_ENTRY(gelu_gradient_vjp),
      TTT_ENTRY(gelu_gate),
      TTT_ENTRY(gelu_gate_vjp),
      TTT_ENTRY(silu_gate),
      TTT_ENTRY(silu_gate_vjp),
      TTT_ENTRY(sigmoid),
      TTT_ENTRY(sigmoid_vjp),
      TTT_ENTRY(rotate),
      TTT_ENTRY(rotate_halves),
      TTT_ENTRY(convolve),
      TTT_ENTRY(convolve_vjp),
      TTT_ENTRY(copy),
      TTT_ENTRY(add),
      TTT_ENTRY(subtract),
      TTT_ENTRY(multiply),
      TTT_ENTRY(scale),
      TTT_ENTRY(dot),
      TTT_ENTRY(softmax_step),
      .add_band_matmul = add_band_matmul<T>,
      TTT_ENTRY(softmax_vjp),
      TTT_ENTRY(divide_rows),
      TTT_ENTRY(cross_entropy),
      TTT_ENTRY(sum_squares),
      TTT_ENTRY(adamw),
  };
#undef TTT_ENTRY
}

}  // namespace
}  // namespace ttt::ops
