// SPDX-License-Identifier: MIT
// Threads, and the floating-point environment in which the library computes.
#pragma once

#include <algorithm>
#include <type_traits>

#include "ttt/base/tensor.hpp"
#include "ttt/export.hpp"

namespace ttt {

/// Threads that a parallel loop may use: what `set_threads` said for the calling thread, or OpenMP's setting
/// (OMP_NUM_THREADS), or 1 without OpenMP. Results never depend on it. The threads are the library's own. OpenMP's
/// either spin while they wait, which takes the cores from other programs, or sleep, and then waking them takes too
/// long for the work of one token.
TTT_EXPORT Index threads();
TTT_EXPORT void set_threads(Index n);

/// While one lives, the calling thread rounds to nearest and keeps denormals, whatever flush mode it had before;
/// then it has that again. Every public call that computes opens one, and so does every thread of a parallel loop:
/// results do not depend on the caller's mode.
class TTT_EXPORT FloatEnvironment {
 public:
  FloatEnvironment();
  ~FloatEnvironment();
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned long saved_;
};

namespace detail {

using Task = void (*)(const void* body, Index task, Index worker);
TTT_EXPORT void run_tasks(Index tasks, Index workers, Task call, const void* body);

/// Fewer arithmetic operations than this stay on the calling thread. They take about 5 microseconds; a thread that is
/// awake joins in one, but waking one that sleeps costs the caller three.
inline constexpr double serial_work = 2.5e5;

/// How many workers to use for so many arithmetic operations.
inline Index worker_count(Index tasks, double operations) {
  return operations < serial_work ? 1 : std::max<Index>(1, std::min(tasks, threads()));
}

}  // namespace detail

/// Calls body(task, worker) once for every task 0 ... tasks - 1, on at most `count` threads, this one included. Tasks
/// must depend neither on one another nor on the worker, whose number only picks scratch memory. The first exception is
/// rethrown here. A loop is serial inside a task of another, inside a parallel region of OpenMP, and while the threads
/// help another caller.
template <class Body>
void parallel_for(Index tasks, Index count, const Body& body) {
  detail::run_tasks(
      tasks, count, [](const void* b, Index task, Index worker) { (*static_cast<const Body*>(b))(task, worker); },
      &body);
}

}  // namespace ttt
