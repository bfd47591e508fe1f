// SPDX-License-Identifier: MIT
// What reader and writer of safetensors share. A file is 8 bytes of header length, a JSON header, and the data of all
// tensors without gaps.
#pragma once

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "ttt/io/safetensors.hpp"

namespace ttt::detail {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian, and data are taken as they lie");

inline constexpr Index max_index = std::numeric_limits<Index>::max();
inline constexpr Index length_bytes = 8;
inline constexpr const char* metadata_key = "__metadata__";

/// Elements that are converted at a time.
inline constexpr Index piece = Index{1} << 16;

inline std::string quoted(const std::string& name) { return "\"" + name + "\""; }

/// Bytes of a tensor, or -1 for a shape that is negative or too large.
inline Index data_size(const std::vector<Index>& shape, Dtype dtype) {
  Index n = byte_size(dtype);
  for (const Index extent : shape) {
    if (extent < 0 || (extent > 0 && n > max_index / extent)) return -1;
    n *= extent;
  }
  return n;
}

}  // namespace ttt::detail
