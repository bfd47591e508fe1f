// SPDX-License-Identifier: MIT
// Which rows of a batch belong to which stream: stream after stream, each as long as it is.
#pragma once

#include <algorithm>
#include <span>

#include "ttt/base/workspace.hpp"

namespace ttt {

namespace detail {

/// Rows that a forward pass works on at a time: enough to fill the machine, few enough to stay in cache.
inline constexpr Index rows_at_a_time = 512;

}  // namespace detail

/// How many tokens of a call each stream of a batch has. Its memory belongs to the frame that it was made with.
class Streams {
 public:
  Streams() = default;

  /// All of one length.
  Streams(Frame& frame, Index count, Index length) : begins_(frame.take<Index, 1>({count + 1})) {
    for (Index i = 0; i <= count; ++i) begins_[i] = i * length;
    longest_ = count > 0 ? length : 0;
  }

  /// What lies at time ... time + most - 1. lengths: one for each of the `count` streams; empty: all have `most` tokens
  /// there.
  Streams(Frame& frame, std::span<const Index> lengths, Index count, Index time, Index most)
      : Streams(frame, count, most) {
    if (lengths.empty()) return;
    longest_ = 0;
    for (Index i = 0; i < count; ++i) {
      const Index length = std::clamp<Index>(lengths[static_cast<std::size_t>(i)] - time, 0, most);
      begins_[i + 1] = begins_[i] + length;
      longest_ = std::max(longest_, length);
    }
  }

  Index count() const { return begins_.size() - 1; }
  /// Of all streams together.
  Index rows() const { return begins_[count()]; }
  /// The first row of stream i.
  Index begin(Index i) const { return begins_[i]; }
  Index length(Index i) const { return begins_[i + 1] - begins_[i]; }
  Index longest() const { return longest_; }

  /// The rows of stream i.
  template <class T>
  View<T> of(const View<T>& rows, Index i) const {
    return rows.row_range(begin(i), length(i));
  }

 private:
  View<Index, 1> begins_;  // [count + 1], the last one is the number of rows
  Index longest_ = 0;
};

/// The first length(i) tokens of every stream i, beginning at time t, as rows: those of x themselves where they lie so
/// in memory, otherwise a copy. x: [streams, time, channels]
template <class T>
View<const T> rows_of(Frame& frame, const View<const T, 3>& x, Index t, const Streams& streams) {
  const auto stream = [&](Index i) { return x[i].row_range(t, streams.length(i)); };
  if (streams.count() == 1) return stream(0);
  if (x.contiguous() && streams.rows() == x.extent(0) * x.extent(1)) return {x.data(), {streams.rows(), x.extent(2)}};
  const View<T> rows = frame.take<T, 2>({streams.rows(), x.extent(2)});
  for (Index i = 0; i < streams.count(); ++i) copy<T, 2>(stream(i), streams.of(rows, i));
  return rows;
}

/// The way back: rows into time t ... of every stream of y. What lies beyond a stream's length stays as it is.
template <class T>
void scatter_rows(const View<const T>& rows, const Streams& streams, const View<T, 3>& y, Index t) {
  for (Index i = 0; i < streams.count(); ++i) copy<T, 2>(streams.of(rows, i), y[i].row_range(t, streams.length(i)));
}

}  // namespace ttt
