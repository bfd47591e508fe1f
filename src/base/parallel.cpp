// SPDX-License-Identifier: MIT
// How many threads there are, how tasks are shared out among them, and how the floating-point mode is set.
#include "ttt/base/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>

#include "base/thread_pool.hpp"
#include "ttt/base/error.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace ttt {

namespace {

thread_local Index chosen_threads = 0;  // 0: none was chosen

// Inside a task it is helping already, so that loops there are serial.
constinit detail::ThreadPool pool;

bool inside_openmp() {
#ifdef _OPENMP
  return omp_in_parallel() != 0;
#else
  return false;
#endif
}

}  // namespace

Index threads() {
  if (chosen_threads > 0) return chosen_threads;
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void set_threads(Index n) {
  require<ConfigError>(1 <= n && n <= std::numeric_limits<int>::max(), "threads: expected a number from 1 to ",
                       std::numeric_limits<int>::max(), ", found ", n);
  chosen_threads = n;
}

#if defined(__SSE__)

namespace {
constexpr unsigned exception_flags = 0x3f;  // sticky; they are not part of the mode
constexpr unsigned default_mode = 0x1f80;   // all exceptions masked, to nearest, neither FTZ nor DAZ
}  // namespace

FloatEnvironment::FloatEnvironment() : saved_(_mm_getcsr()) {
  _mm_setcsr((static_cast<unsigned>(saved_) & exception_flags) | default_mode);
}

FloatEnvironment::~FloatEnvironment() {
  _mm_setcsr((static_cast<unsigned>(saved_) & ~exception_flags) | (_mm_getcsr() & exception_flags));
}

#elif defined(__aarch64__)

FloatEnvironment::FloatEnvironment() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" : : "r"(0ul) : "memory");  // to nearest, no flushing, no traps
}

FloatEnvironment::~FloatEnvironment() { asm volatile("msr fpcr, %0" : : "r"(saved_) : "memory"); }

#else

FloatEnvironment::FloatEnvironment() : saved_(static_cast<unsigned long>(std::fegetround())) {
  std::fesetround(FE_TONEAREST);
}

FloatEnvironment::~FloatEnvironment() { std::fesetround(static_cast<int>(saved_)); }

#endif

namespace detail {
namespace {

void run_serially(Index tasks, Task call, const void* body) {
  const FloatEnvironment environment;
  for (Index task = 0; task < tasks; ++task) call(body, task, 0);
}

struct Loop {
  Index tasks;
  Task call;
  const void* body;
  std::atomic<Index> next = 0;
  std::atomic<bool> failed = false;
  std::exception_ptr failure = nullptr;  // of the one who set `failed`

  void work(Index worker) noexcept {
    const FloatEnvironment environment;
    for (Index task = next++; task < tasks && !failed; task = next++) {
      try {
        call(body, task, worker);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  }
};

}  // namespace

void run_tasks(Index tasks, Index workers, Task call, const void* body) {
  const Index team = std::min(tasks, workers);
  if (team > 1 && !inside_openmp()) {
    Loop loop{.tasks = tasks, .call = call, .body = body};
    const auto work = [](void* l, Index worker) { static_cast<Loop*>(l)->work(worker); };
    if (pool.run(team - 1, work, &loop)) {
      if (loop.failure) std::rethrow_exception(loop.failure);
      return;
    }
  }
  run_serially(tasks, call, body);
}

}  // namespace detail
}  // namespace ttt
