// SPDX-License-Identifier: MIT
// The memory of the streams of a batch, for streams of any type.
#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "ttt/base/workspace.hpp"

namespace ttt {

/// The streams of a batch; they may be at different positions, and may be moved in and out. Copies are made by `clone`.
/// The cotangent of a state (see Layer::backward) has the same type, with gradients in place of values.
template <class Stream>
class State {
 public:
  State() = default;
  explicit State(std::vector<Stream> all) : streams(std::move(all)) {}
  State(State&&) = default;
  State& operator=(State&&) = default;

  State clone() const { return State(*this); }
  Index batch() const { return static_cast<Index>(streams.size()); }

  std::vector<Stream> streams;

 private:
  State(const State&) = default;
};

namespace detail {

/// For `visit` of a stream, which shows its position too: calls f for tensors only.
template <class F>
auto tensors_only(F f) {
  return [f](const auto& name, auto& first, auto&... rest) {
    if constexpr (!std::is_integral_v<std::remove_cvref_t<decltype(first)>>) f(name, first, rest...);
  };
}

/// Where the streams of a batch are.
template <class Stream>
View<Stream*, 1> stream_pointers(Frame& frame, State<Stream>& state) {
  const View<Stream*, 1> all = frame.take<Stream*, 1>({state.batch()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &state.streams[static_cast<std::size_t>(i)];
  return all;
}

}  // namespace detail

/// Sets all that a stream remembers to 0, its position too.
template <class Stream>
void set_zero_stream(Stream& stream) {
  Stream::visit(
      []<class Part>(const auto&, Part& part) {
        if constexpr (std::is_integral_v<Part>) {
          part = 0;
        } else {
          std::fill(part.begin(), part.end(), 0);
        }
      },
      stream);
}

}  // namespace ttt
