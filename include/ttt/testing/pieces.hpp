// SPDX-License-Identifier: MIT
// Ways to cut a sequence and a batch, and what a test needs to read one in pieces.
#pragma once

#include <algorithm>
#include <vector>

#include "ttt/base/parallel.hpp"
#include "ttt/base/random.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::laws {

/// Lengths of consecutive pieces.
using Cuts = std::vector<Index>;

/// Pieces of 1 ... longest tokens.
inline Cuts random_cuts(Index length, Index longest, Rng& rng) {
  Cuts cuts;
  while (length > 0) {
    cuts.push_back(std::min(length, 1 + static_cast<Index>(rng.below(static_cast<std::uint64_t>(longest)))));
    length -= cuts.back();
  }
  return cuts;
}

/// `first`, then what is left.
inline Cuts cut_at(Index first, Index length) { return {first, length - first}; }

/// Whole, token by token, and cuts beside every size at which the library cuts rows itself (32, 64, 128, 256, 512) or
/// which the sequence has: its mini-batch and its convolution.
inline std::vector<Cuts> all_cuts(Index length, Index mini_batch, Index kernel, Rng& rng) {
  std::vector<Cuts> all{{length}, Cuts(static_cast<std::size_t>(length), 1)};
  for (const Index size : {Index{32}, Index{64}, Index{128}, Index{256}, Index{512}, mini_batch, kernel}) {
    for (const Index first : {size - 1, size, size + 1}) {
      if (0 < first && first < length) all.push_back(cut_at(first, length));
    }
  }
  for (const Index longest : {kernel, mini_batch, 3 * mini_batch, length}) {
    all.push_back(random_cuts(length, longest, rng));
  }
  return all;
}

/// Tokens t ... t + n - 1 of every sequence of [batch, time, channels].
template <class T>
View<T, 3> time_piece(View<T, 3> x, Index t, Index n) {
  return {x.data() + t * x.stride(1), {x.extent(0), n, x.extent(2)}, {x.stride(0), x.stride(1), 1}};
}

template <class T, int Rank>
Tensor<T, Rank> copy_of(View<const T, Rank> x) {
  Tensor<T, Rank> y(x.shape());
  copy<T, Rank>(x, y);
  return y;
}

/// While one lives, the instruction set may be changed.
class RestoredIsa {
 public:
  RestoredIsa() = default;
  ~RestoredIsa() { set_isa(before_); }
  RestoredIsa(const RestoredIsa&) = delete;
  RestoredIsa& operator=(const RestoredIsa&) = delete;

 private:
  Isa before_ = active_isa();
};

/// While one lives, loops use n threads.
class Threads {
 public:
  explicit Threads(Index n) : before_(threads()) { set_threads(n); }
  ~Threads() { set_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  Index before_;
};

}  // namespace ttt::laws
