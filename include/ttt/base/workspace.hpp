// SPDX-License-Identifier: MIT
// Scratch memory that has no meaning between calls. Whoever calls owns it: one workspace for each calling thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

#include "ttt/base/tensor.hpp"

namespace ttt {

/// A stack of memory. It grows while a shape is seen for the first time; from then on nothing is allocated.
class Workspace {
 public:
  Workspace() = default;
  Workspace(Workspace&&) = default;
  Workspace& operator=(Workspace&&) = default;

  /// Bytes held, those of the workers included.
  Index bytes() const {
    Index n = 0;
    for (const Block& block : blocks_) n += static_cast<Index>(block.size());
    for (const Workspace& worker : workers_) n += worker.bytes();
    return n;
  }

 private:
  friend class Frame;
  using Block = std::vector<std::byte, detail::AlignedAllocator<std::byte>>;

  static constexpr std::size_t least_block = 4096;

  struct Top {
    std::size_t block = 0;  // the block that is being filled
    std::size_t used = 0;   // bytes of it
    std::size_t total = 0;  // bytes taken since the stack was empty
  };

  std::byte* take(std::size_t bytes) {
    while (top_.block < blocks_.size() && top_.used + bytes > blocks_[top_.block].size()) {
      ++top_.block;
      top_.used = 0;
    }
    if (top_.block == blocks_.size()) blocks_.emplace_back(std::max(bytes, least_block));
    std::byte* p = blocks_[top_.block].data() + top_.used;
    top_.used += bytes;
    top_.total += bytes;
    peak_ = std::max(peak_, top_.total);
    return p;
  }

  /// True when the ends of blocks waste as much memory as is used. They waste less in blocks that a single frame has
  /// filled: a block is begun only where the one before has too little room, so two neighbours hold more than the first
  /// one's size. Such a stack need not be gathered. It finds all its memory again when the same calls are repeated, and
  /// so does a tape, whose frame ends only when the next pass begins.
  bool scattered() const {
    std::size_t held = 0;
    for (const Block& block : blocks_) held += block.size();
    return held > 2 * peak_ + least_block;
  }

  /// One block of all that was ever taken at once. The stack is empty when this is called.
  void gather(std::size_t bytes) {
    if (blocks_.empty() && bytes == 0) return;
    if (blocks_.size() == 1 && blocks_.front().size() >= bytes) return;
    blocks_.clear();
    blocks_.emplace_back(bytes);
  }

  std::vector<Block> blocks_;
  Top top_;
  std::size_t peak_ = 0;
  int frames_ = 0;  // open ones
  std::vector<Workspace> workers_;
};

/// Takes views from a workspace, and gives all of them back at its end. Frames nest like scopes.
class Frame {
 public:
  explicit Frame(Workspace& workspace) : workspace_(workspace), start_(workspace.top_) { ++workspace_.frames_; }

  ~Frame() {
    workspace_.top_ = start_;
    if (--workspace_.frames_ > 0 || start_.total > 0 || !workspace_.scattered()) return;
    // Memory is put in one piece here and not in the middle of the next call, so that the second call finds it.
    try {
      workspace_.gather(workspace_.peak_);
    } catch (const std::bad_alloc&) {
      workspace_.blocks_.clear();
    }
  }

  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  /// Elements of unspecified value, 64-byte aligned.
  template <class T, int Rank>
  View<T, Rank> take(const Shape<Rank>& shape) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t bytes = static_cast<std::size_t>(count(shape)) * sizeof(T);
    const std::size_t padded = (bytes + detail::alignment - 1) / detail::alignment * detail::alignment;
    return {reinterpret_cast<T*>(workspace_.take(padded)), shape};
  }

  template <class T, int Rank, std::size_t n>
  requires detail::OtherRank<n, Rank>
  void take(const Index (&shape)[n]) = delete;

  /// Elements of value 0.
  template <class T, int Rank>
  View<T, Rank> zeros(const Shape<Rank>& shape) {
    const View<T, Rank> v = take<T, Rank>(shape);
    std::fill_n(v.data(), v.size(), T(0));
    return v;
  }

  template <class T, int Rank, std::size_t n>
  requires detail::OtherRank<n, Rank>
  void zeros(const Index (&shape)[n]) = delete;

  /// One workspace for each of n workers of a parallel loop.
  std::vector<Workspace>& workers(Index n) {
    std::vector<Workspace>& all = workspace_.workers_;
    if (all.size() < static_cast<std::size_t>(n)) all.resize(static_cast<std::size_t>(n));
    return all;
  }

  /// After the loop: every worker gets what the largest needed, whichever tasks it happened to run.
  void level_workers() {
    std::size_t peak = 0;
    for (const Workspace& worker : workspace_.workers_) peak = std::max(peak, worker.peak_);
    for (Workspace& worker : workspace_.workers_) worker.gather(peak);
  }

 private:
  Workspace& workspace_;
  Workspace::Top start_;
};

}  // namespace ttt
