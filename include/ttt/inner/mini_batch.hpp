// SPDX-License-Identifier: MIT
// What one head reads of some tokens, and the part of it that goes into one mini-batch.
#pragma once

#include <algorithm>

#include "ttt/base/workspace.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::inner {

/// Some tokens as one head sees them, with T constant; their cotangents otherwise.
template <class T>
struct Tokens {
  View<T> Q, K;      // [n, head_dim], rotated
  View<T> target;    // [n, head_dim], what the inner model reconstructs: V - K
  View<T, 1> rate;   // [n], the token's inner learning rate
  View<T, 1> scale;  // [n], the factor of its position in the mini-batch

  Index size() const { return Q.rows(); }

  Tokens row_range(Index t, Index n) const {
    return {Q.row_range(t, n), K.row_range(t, n), target.row_range(t, n), rate.row_range(t, n), scale.row_range(t, n)};
  }
};

/// Tokens that extend the open mini-batch of one head.
template <class T>
struct MiniBatch : Tokens<const T> {
  Index open;      // rows that the mini-batch has already
  Index capacity;  // the most tokens that any mini-batch of this call has

  MiniBatch(const Tokens<const T>& tokens, Index open_rows, Index most)
      : Tokens<const T>(tokens), open(open_rows), capacity(most) {}

  /// Scratch of one row for each token. It takes the memory of `capacity` rows: calls of one shape then need the same
  /// memory wherever in a mini-batch they begin, and only the first of them allocates.
  View<T> take(Frame& frame, Index cols) const { return frame.take<T, 2>({capacity, cols}).row_range(0, this->size()); }
  View<T> zeros(Frame& frame, Index cols) const {
    return frame.zeros<T, 2>({capacity, cols}).row_range(0, this->size());
  }
};

/// Cuts `time` tokens, of which the first finds `open` rows in its mini-batch, into pieces of one mini-batch each.
struct MiniBatchCuts {
  Index time, open, size;

  Index count() const { return time == 0 ? 0 : (open + time + size - 1) / size; }
  Index start(Index i) const { return i == 0 ? 0 : i * size - open; }
  Index open_before(Index i) const { return i == 0 ? open : 0; }
  Index length(Index i) const { return std::min(time, (i + 1) * size - open) - start(i); }
  bool full(Index i) const { return open_before(i) + length(i) == size; }

  /// Piece i of all tokens.
  template <class T>
  MiniBatch<T> mini_batch(const Tokens<const T>& all, Index i) const {
    return {all.row_range(start(i), length(i)), open_before(i), std::min(time, size)};
  }
};

}  // namespace ttt::inner
