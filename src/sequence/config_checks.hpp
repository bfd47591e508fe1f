// SPDX-License-Identifier: MIT
// What every configuration asks of its numbers. All throw ConfigError naming the field.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ttt/base/tensor.hpp"

namespace ttt::detail {

/// Token ids are 32 bits wide, and a product of two sizes is to fit into Index.
inline constexpr Index max_size = std::numeric_limits<std::int32_t>::max();

inline void require_size(const char* field, Index value) {
  require<ConfigError>(1 <= value && value <= max_size, field, ": expected 1 ... ", max_size, ", found ", value);
}

inline void require_positive(const char* field, double value) {
  require<ConfigError>(std::isfinite(value) && value > 0, field, ": expected a finite number above 0, found ", value);
}

inline void require_not_negative(const char* field, double value) {
  require<ConfigError>(std::isfinite(value) && value >= 0, field, ": expected a finite number of at least 0, found ",
                       value);
}

/// Elements are counted in double, which does not overflow.
inline void require_addressable(double elements) {
  constexpr double max_elements = 0x1p58;  // that memory can address, 16 bytes each
  require<ConfigError>(elements <= max_elements, "sizes: expected at most ", max_elements,
                       " numbers in memory, found about ", elements);
}

}  // namespace ttt::detail
