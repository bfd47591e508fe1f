// SPDX-License-Identifier: MIT
// The checks that nlohmann-json leaves out: duplicate keys, NUL bytes, depth.
#include "io/parse_json.hpp"

#include <set>
#include <vector>

#include "ttt/base/error.hpp"

namespace ttt::detail {
namespace {

/// Far more than any checkpoint needs, and far less than recursion over a value could take.
constexpr int max_depth = 64;

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where) {
  // The parser takes a NUL for the end of the text.
  require<CheckpointError>(text.find('\0') == std::string_view::npos, where, ": expected JSON, found a NUL byte");

  using Event = nlohmann::json::parse_event_t;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, Event event, const nlohmann::json& parsed) {
    require<CheckpointError>(depth <= max_depth, where, ": expected at most ", max_depth,
                             " levels of JSON, found more");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const std::string& key = parsed.get_ref<const std::string&>();
      require<CheckpointError>(keys.back().insert(key).second, where, ": expected every key once, found \"", key,
                               "\" twice in one object");
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, check);
  } catch (const nlohmann::json::exception& e) {
    throw CheckpointError(where + ": expected JSON, found: " + e.what());
  }
}

std::string excerpt(const nlohmann::json& value) {
  constexpr std::size_t longest = 80;
  const std::string text = value.dump();
  return text.size() <= longest ? text : text.substr(0, longest) + " ...";
}

}  // namespace ttt::detail
