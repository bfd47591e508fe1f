// SPDX-License-Identifier: MIT
// Where the weights of a dense layer lie in memory. Internal linkage, as all of this folder: kernels of every
// instruction set include it, and src/ops/dense.cpp.
#pragma once

#include "ttt/ops/kernels.hpp"

namespace ttt::ops {
namespace {

/// Inputs of an output that share a factor in q8.
constexpr std::ptrdiff_t q8_inputs = 32;

template <class T>
struct PanelLayout {
  static constexpr std::ptrdiff_t width = 256 / sizeof(T), vector = 64 / sizeof(T);

  std::ptrdiff_t outputs, inputs;
  WeightFormat format;

  explicit PanelLayout(const Panels<T>& W) : outputs(W.outputs), inputs(W.inputs), format(W.format) {}

  /// Columns of the panel that begins at output `first`.
  std::ptrdiff_t columns(std::ptrdiff_t first) const {
    const std::ptrdiff_t rest = outputs - first;
    return rest >= width ? width : (rest + vector - 1) / vector * vector;
  }

  /// Bytes of the first n inputs of a panel of so many columns; n is a multiple of q8_inputs, or all inputs.
  std::ptrdiff_t bytes(std::ptrdiff_t columns, std::ptrdiff_t n) const {
    switch (format) {
      case WeightFormat::full:
        return n * columns * std::ptrdiff_t{sizeof(T)};
      case WeightFormat::bf16:
        return n * columns * 2;
      case WeightFormat::q8:
        break;
    }
    return n * columns + (n + q8_inputs - 1) / q8_inputs * columns * 2;
  }

  /// Where the panel of output `first` begins, a multiple of `width`.
  std::ptrdiff_t offset(std::ptrdiff_t first) const { return first / width * bytes(width, inputs); }

  std::ptrdiff_t bytes() const {
    const std::ptrdiff_t last = outputs / width * width;
    return offset(last) + bytes(columns(last), inputs);
  }
};

inline float from_bf16(std::uint16_t x) { return __builtin_bit_cast(float, static_cast<std::uint32_t>(x) << 16); }

}  // namespace
}  // namespace ttt::ops
