// SPDX-License-Identifier: MIT
// The library's threads: they wait for the loops of callers, and help with one at a time.
#pragma once

#include <atomic>
#include <cstdint>

#include "ttt/base/tensor.hpp"

namespace ttt::detail {

/// Never destroyed, and its threads end with the process. In the child of a fork they are missing, and nobody waits for
/// them: a caller's loop is done by the caller.
class ThreadPool {
 public:
  using Work = void (*)(void* loop, Index worker);

  /// Calls work(loop, 0) here and work(loop, worker) on at most `helpers` other threads, with the numbers 1 ...
  /// helpers, each once. `work` returns when nothing is left to do; a thread that comes only then does not call it, so
  /// the caller never waits for one that the machine has not yet run. False, and nothing is called, while the pool
  /// helps another caller.
  bool run(Index helpers, Work work, void* loop);

 private:
  void grow(Index threads);
  void serve();
  Index enter();
  void leave();

  std::atomic<bool> taken_ = false;         // by a caller
  Index threads_ = 0;                       // of the pool; only the caller who has taken it looks
  Work work_ = nullptr;                     // of that caller
  void* loop_ = nullptr;                    // of that caller
  std::atomic<std::uint32_t> door_ = 0;     // threads that may yet enter << 16 | threads inside; the caller waits for 0
  std::atomic<std::uint32_t> callers_ = 0;  // so far; idle threads wait for the next
};

}  // namespace ttt::detail
