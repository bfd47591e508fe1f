// SPDX-License-Identifier: MIT
// THE list of floating-point formats that tensors are read and written in. A new one is a struct and its place in
// FloatFormats; where Dtype lacks it, also an enumerator there and a row in the table of names.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "ops/half.hpp"
#include "ttt/io/safetensors.hpp"

namespace ttt::detail {

// Each has: its Dtype, its name in config.json, the type that lies in the file, `decode` from it without loss to float
// or double, and `encode` from double, which rounds to nearest even.

struct F64 {
  static constexpr Dtype dtype = Dtype::f64;
  static constexpr const char* torch_dtype = "float64";
  using Stored = double;
  static double decode(double x) { return x; }
  static double encode(double x) { return x; }
};

struct F32 {
  static constexpr Dtype dtype = Dtype::f32;
  static constexpr const char* torch_dtype = "float32";
  using Stored = float;
  static float decode(float x) { return x; }
  static float encode(double x) { return static_cast<float>(x); }
};

struct F16 : Float16 {
  static constexpr Dtype dtype = Dtype::f16;
  static constexpr const char* torch_dtype = "float16";
  using Stored = std::uint16_t;
};

struct BF16 : Bfloat16 {
  static constexpr Dtype dtype = Dtype::bf16;
  static constexpr const char* torch_dtype = "bfloat16";
  using Stored = std::uint16_t;
};

using FloatFormats = std::tuple<F64, F32, F16, BF16>;

/// Calls f with the format of this type. Throws CheckpointError, beginning with `where`, for a type that numbers cannot
/// be read from or written in.
template <class F>
void with_float_format(Dtype dtype, const std::string& where, const F& f) {
  const bool found =
      std::apply([&](auto... format) { return ((format.dtype == dtype && (f(format), true)) || ...); }, FloatFormats());
  if (found) return;
  std::vector<std::string> names;
  std::apply([&](auto... format) { (names.push_back(name(format.dtype)), ...); }, FloatFormats());
  std::string all = names[0];
  for (std::size_t i = 1; i < names.size(); ++i) all += (i + 1 < names.size() ? ", " : " or ") + names[i];
  throw CheckpointError(where + ": expected " + all + ", found " + name(dtype));
}

inline void require_float_format(Dtype dtype, const std::string& where) {
  with_float_format(dtype, where, [](auto) {});
}

}  // namespace ttt::detail
