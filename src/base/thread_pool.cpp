// SPDX-License-Identifier: MIT
// Waiting: for some microseconds awake, as the next loop is often near, then asleep, as the core may have other work.
#include "base/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace ttt::detail {
namespace {

// About what it takes to be woken.
constexpr std::chrono::microseconds time_awake(50);

constexpr std::uint32_t one_place = 1 << 16, inside = one_place - 1;

void pause() {
#if defined(__SSE2__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Returns when `met` holds of the word's value. Whoever makes it hold must notify the word.
template <class Condition>
void wait_until(const std::atomic<std::uint32_t>& word, const Condition& met) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point sleep = Clock::now() + time_awake;
  for (std::uint32_t value = word; !met(value); value = word) {
    if (Clock::now() < sleep) {
      pause();
    } else {
      word.wait(value);
    }
  }
}

}  // namespace

bool ThreadPool::run(Index helpers, Work work, void* loop) {
  if (taken_.exchange(true)) return false;
  helpers = std::min<Index>(helpers, inside);
  grow(helpers);
  work_ = work;
  loop_ = loop;
  door_ = static_cast<std::uint32_t>(helpers) * one_place;
  ++callers_;
  if (helpers < threads_) {
    for (Index i = 0; i < helpers; ++i) callers_.notify_one();
  } else {
    callers_.notify_all();
  }
  work(loop, 0);
  door_ &= inside;  // closed
  wait_until(door_, [](std::uint32_t door) { return door == 0; });
  taken_ = false;
  return true;
}

/// Or fewer, if the system gives no more.
void ThreadPool::grow(Index threads) {
  try {
    for (; threads_ < threads; ++threads_) std::thread([this] { serve(); }).detach();
  } catch (const std::exception&) {
  }
}

void ThreadPool::serve() {
  for (;;) {
    const std::uint32_t before = callers_;
    if (const Index worker = enter(); worker > 0) {
      work_(loop_, worker);
      leave();
    }
    wait_until(callers_, [before](std::uint32_t callers) { return callers != before; });
  }
}

/// This thread's number in the loop, or 0 if it is not needed there.
Index ThreadPool::enter() {
  std::uint32_t door = door_;
  while (door >= one_place) {
    if (door_.compare_exchange_weak(door, door - one_place + 1)) return door / one_place;
  }
  return 0;
}

void ThreadPool::leave() {
  if (--door_ == 0) door_.notify_one();
}

}  // namespace ttt::detail
