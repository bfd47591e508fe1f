// SPDX-License-Identifier: MIT
// JSON read strictly: what a lenient parser would guess at is an error.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ttt::detail {

/// Throws CheckpointError, beginning with `where`, for text that is not JSON or has a key twice in one object.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// A value for messages, cut when it is long.
std::string excerpt(const nlohmann::json& value);

}  // namespace ttt::detail
