// SPDX-License-Identifier: MIT
// The only file that knows how threads are started and how the floating-point mode is set.
#include "ttt/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>

#include "ttt/error.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__SSE__)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace ttt {

Index threads() {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

void set_threads(Index n) {
  require<ConfigError>(1 <= n && n <= std::numeric_limits<int>::max(), "threads: expected a number from 1 to ",
                       std::numeric_limits<int>::max(), ", found ", n);
#ifdef _OPENMP
  omp_set_num_threads(static_cast<int>(n));
#endif
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

#ifdef _OPENMP
void run_in_parallel(Index tasks, int workers, Task call, const void* body) {
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  std::atomic<Index> next = 0;
#pragma omp parallel num_threads(workers)
  {
    const FloatEnvironment environment;
    const Index worker = omp_get_thread_num();
    // A counter of our own: Clang's runtime allocates for every loop that it schedules.
    for (Index task = next++; task < tasks && !failed.load(std::memory_order_relaxed); task = next++) {
      try {
        call(body, task, worker);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}
#endif

}  // namespace

void run_tasks(Index tasks, [[maybe_unused]] Index workers, Task call, const void* body) {
#ifdef _OPENMP
  const Index team = std::min(tasks, workers);
  if (team > 1 && !omp_in_parallel()) {
    run_in_parallel(tasks, static_cast<int>(team), call, body);
    return;
  }
#endif
  run_serially(tasks, call, body);
}

}  // namespace detail
}  // namespace ttt
