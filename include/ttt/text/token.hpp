// SPDX-License-Identifier: MIT
// Tokens: what language models read and predict.
#pragma once

#include <cstdint>

namespace ttt {

using Token = std::int32_t;

/// A target that adds no loss.
inline constexpr Token ignored_target = -100;

}  // namespace ttt
