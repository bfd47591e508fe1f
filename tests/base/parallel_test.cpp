// SPDX-License-Identifier: MIT
// parallel_for runs every task once, on threads that come when they are needed and hold nobody up when they do not,
// hands exceptions on, and leaves the caller's floating-point mode alone.
#include "ttt/base/parallel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifdef __unix__
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "support/flush_denormals.hpp"
#include "ttt/base/error.hpp"
#include "ttt/base/tensor.hpp"

namespace {

using ttt::Index;
using Counts = std::vector<std::atomic<int>>;

Counts counts(Index n) { return Counts(static_cast<std::size_t>(n)); }
std::atomic<int>& at(Counts& c, Index i) { return c[static_cast<std::size_t>(i)]; }

/// Restores the number of threads at the end of a test.
class Parallel : public testing::Test {
 protected:
  ~Parallel() override { ttt::set_threads(before_); }

 private:
  Index before_ = ttt::threads();
};

TEST_F(Parallel, RunsEveryTaskOnceAndNumbersWorkers) {
  for (const Index workers : {0, 1, 2, 3, 8}) {
    for (const Index tasks : {0, 1, 2, 7, 1000}) {
      Counts done = counts(tasks);
      std::atomic<bool> in_range = true;
      ttt::parallel_for(tasks, workers, [&](Index task, Index worker) {
        ++at(done, task);
        if (worker < 0 || worker >= std::max<Index>(1, workers)) in_range = false;
      });
      for (Index i = 0; i < tasks; ++i) ASSERT_EQ(at(done, i), 1) << "task " << i << ", " << workers << " workers";
      EXPECT_TRUE(in_range);
    }
  }
}

TEST_F(Parallel, OneWorkerAtATimeOwnsItsScratch) {
  Counts busy = counts(4);
  std::atomic<bool> shared = false;
  ttt::parallel_for(500, 4, [&](Index, Index worker) {
    if (at(busy, worker)++ != 0) shared = true;
    std::this_thread::yield();
    --at(busy, worker);
  });
  EXPECT_FALSE(shared);
}

TEST_F(Parallel, UsesThatManyThreads) {
  ttt::set_threads(3);
  EXPECT_EQ(ttt::threads(), 3);
  EXPECT_EQ(ttt::detail::worker_count(100, 1e9), 3);
  EXPECT_EQ(ttt::detail::worker_count(2, 1e9), 2);
  // Every task waits for the other two: with fewer threads this would never end.
  std::atomic<int> arrived = 0;
  ttt::parallel_for(3, 3, [&](Index, Index) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

TEST_F(Parallel, ThreadsComeAwakeOrAsleep) {
  // A few of the threads there are, then all of them, as 16 is more than any other test asks for.
  for (const int all : {2, 3, 16}) {
    for (int repeat = 0; repeat < 200; ++repeat) {
      const auto pause = std::chrono::microseconds(repeat < 190 ? repeat : 5000);
      const auto end = std::chrono::steady_clock::now() + pause;
      while (std::chrono::steady_clock::now() < end) std::this_thread::yield();
      std::atomic<int> arrived = 0;
      ttt::parallel_for(all, all, [&](Index, Index) {
        ++arrived;
        while (arrived < all) std::this_thread::yield();  // with fewer threads this would never end
      });
      ASSERT_EQ(arrived, all);
    }
  }
}

TEST_F(Parallel, WhoeverWaitsForLongSleeps) {
  const std::chrono::milliseconds nap(100);
  std::clock_t before = 0;  // of the processor's time that all threads used
  std::atomic<int> arrived = 0;
  std::atomic<bool> done = false;
  ttt::parallel_for(2, 2, [&](Index, Index worker) {
    ++arrived;
    while (arrived < 2) std::this_thread::yield();
    if (worker == 0) {
      before = std::clock();
    } else {
      std::this_thread::sleep_for(nap);
      done = true;
    }
  });
  EXPECT_TRUE(done);                 // the caller has waited for the other's task
  std::this_thread::sleep_for(nap);  // the other waits for another loop
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 20);
}

TEST_F(Parallel, SetThreadsSpeaksForTheCallingThread) {
  const Index before = ttt::threads();
  ttt::set_threads(before + 1);
  Index elsewhere = 0;
  std::thread([&] { elsewhere = ttt::threads(); }).join();
  EXPECT_EQ(elsewhere, before);
  EXPECT_EQ(ttt::threads(), before + 1);
}

TEST_F(Parallel, LittleWorkStaysSerial) {
  ttt::set_threads(4);
  EXPECT_EQ(ttt::detail::worker_count(100, 10), 1);
  EXPECT_EQ(ttt::detail::worker_count(0, 1e9), 1);
}

TEST_F(Parallel, ThrowsOnTheCallerWhatATaskThrew) {
  for (const Index workers : {1, 4}) {
    try {
      ttt::parallel_for(100, workers, [](Index task, Index) {
        if (task == 37) throw std::out_of_range("task 37");
      });
      FAIL() << "nothing was thrown with " << workers << " workers";
    } catch (const std::out_of_range& e) {
      EXPECT_STREQ(e.what(), "task 37");
    }
  }
}

TEST_F(Parallel, WorksAfterAnException) {
  EXPECT_THROW(ttt::parallel_for(8, 4, [](Index, Index) { throw std::runtime_error("every task"); }),
               std::runtime_error);
  std::atomic<int> done = 0;
  ttt::parallel_for(8, 4, [&](Index, Index) { ++done; });
  EXPECT_EQ(done, 8);
}

TEST_F(Parallel, NestedLoopsAreSerial) {
  Counts done = counts(4 * 5);
  std::atomic<bool> serial = true;
  ttt::parallel_for(4, 4, [&](Index i, Index) {
    const std::thread::id outer = std::this_thread::get_id();
    ttt::parallel_for(5, 4, [&](Index j, Index worker) {
      ++at(done, i * 5 + j);
      if (worker != 0 || std::this_thread::get_id() != outer) serial = false;
    });
  });
  for (Index i = 0; i < 20; ++i) EXPECT_EQ(at(done, i), 1);
  EXPECT_TRUE(serial);
}

TEST_F(Parallel, SeveralCallersAtOnce) {
  const int callers = 4;
  std::vector<std::atomic<Index>> sums(callers);
  std::vector<std::thread> threads;
  for (std::atomic<Index>& sum : sums) {
    threads.emplace_back([&sum] {
      for (int repeat = 0; repeat < 50; ++repeat) ttt::parallel_for(100, 2, [&](Index task, Index) { sum += task; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::atomic<Index>& sum : sums) EXPECT_EQ(sum, 50 * 4950);
}

TEST_F(Parallel, NoCallerWaitsForTheLoopOfAnother) {
  std::atomic<bool> other_is_done = false;
  ttt::parallel_for(2, 2, [&](Index task, Index) {
    if (task == 0) {
      std::atomic<Index> sum = 0;
      std::thread([&] { ttt::parallel_for(100, 2, [&](Index i, Index) { sum += i; }); }).join();
      EXPECT_EQ(sum, 4950);
      other_is_done = true;
    }
    while (!other_is_done) std::this_thread::yield();
  });
}

#ifdef __unix__
TEST_F(Parallel, NoCallerWaitsForThreadsThatDoNotCome) {
  ttt::parallel_for(4, 4, [](Index, Index) {});  // there are threads now, but not in the child of a fork
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(20);
    Index sum = 0;
    ttt::parallel_for(100, 4, [&](Index task, Index) { sum += task; });
    _exit(sum == 4950 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST_F(Parallel, SetThreadsRefusesWhatIsNotANumberOfThreads) {
  const Index before = ttt::threads();
  for (const Index n : {Index{0}, Index{-3}, std::numeric_limits<Index>::max()}) {
    try {
      ttt::set_threads(n);
      FAIL() << n << " was accepted";
    } catch (const ttt::ConfigError& e) {
      EXPECT_NE(std::string(e.what()).find("found " + std::to_string(n)), std::string::npos) << e.what();
    }
  }
  EXPECT_EQ(ttt::threads(), before);
}

// The smallest normal number halved: a denormal, unless the mode flushes it to zero. Volatile, so that no compiler
// computes it in advance.
float half_of_smallest() {
  volatile float x = std::numeric_limits<float>::min();
  x = x / 2;
  return x;
}

float third() {
  volatile float x = 1;
  x = x / 3;
  return x;
}

/// Rounds downward and, where the machine can, flushes denormals.
void enter_another_mode() {
  std::fesetround(FE_DOWNWARD);
  ttt::support::flush_denormals(true);
}

/// What tells one floating-point mode from another.
struct Mode {
  float third, half_of_smallest;
  friend bool operator==(const Mode&, const Mode&) = default;
};

Mode mode() { return {third(), half_of_smallest()}; }

/// The modes in which tasks begin, one on each of three threads where there are threads. Each leaves another behind.
std::vector<Mode> modes_of_tasks() {
  const Index team = std::min<Index>(3, ttt::threads());
  std::vector<Mode> found(static_cast<std::size_t>(team));
  std::atomic<Index> running = 0;
  ttt::parallel_for(team, team, [&](Index task, Index) {
    found[static_cast<std::size_t>(task)] = mode();
    enter_another_mode();
    ++running;
    while (running < team) std::this_thread::yield();  // until every thread has a task
  });
  return found;
}

TEST(FloatEnvironment, RoundsToNearestAndThenAsBefore) {
  const float nearest = third();
  std::fesetround(FE_DOWNWARD);
  const float downward = third();
  float inside = 0;
  {
    const ttt::FloatEnvironment environment;
    inside = third();
  }
  const int after = std::fegetround();
  std::vector<float> in_tasks(64);
  ttt::parallel_for(64, 4, [&](Index task, Index) { in_tasks[static_cast<std::size_t>(task)] = third(); });
  const int after_loop = std::fegetround();
  std::fesetround(FE_TONEAREST);

  ASSERT_NE(downward, nearest);
  EXPECT_EQ(inside, nearest);
  EXPECT_EQ(after, FE_DOWNWARD);
  EXPECT_EQ(after_loop, FE_DOWNWARD);
  for (const float x : in_tasks) EXPECT_EQ(x, nearest);
}

TEST(FloatEnvironment, KeepsExceptionFlags) {
  std::feclearexcept(FE_ALL_EXCEPT);
  volatile float zero = 0;
  volatile float infinite = 1 / zero;
  {
    const ttt::FloatEnvironment environment;
    volatile float inexact = 1.0f / 3.0f;
    inexact = inexact / 3;
  }
  EXPECT_TRUE(std::fetestexcept(FE_DIVBYZERO));
  EXPECT_TRUE(std::fetestexcept(FE_INEXACT));
  EXPECT_GT(infinite, 0.0f);
  std::feclearexcept(FE_ALL_EXCEPT);
}

// On a thread of its own, whose workers start in its mode.
TEST(FloatEnvironment, IsThatOfTheLibraryOnEveryWorker) {
  const Mode expected = mode();
  std::thread([&] {
    ttt::set_threads(3);
    enter_another_mode();
    const Mode of_caller = mode();
    EXPECT_NE(of_caller, expected);
    for (int loop = 0; loop < 3; ++loop) {
      for (const Mode& found : modes_of_tasks()) EXPECT_EQ(found, expected) << "loop " << loop;
      EXPECT_EQ(mode(), of_caller) << "loop " << loop;
    }
  }).join();
  EXPECT_EQ(mode(), expected);
}

TEST(FloatEnvironment, KeepsDenormalsAndThenFlushesAsBefore) {
  if (!ttt::support::can_flush_denormals) GTEST_SKIP();
  ttt::support::flush_denormals(true);
  const float flushed = half_of_smallest();
  float inside = 0;
  {
    const ttt::FloatEnvironment environment;
    inside = half_of_smallest();
  }
  const bool after = ttt::support::flushes_denormals();
  std::vector<float> in_tasks(64);
  ttt::parallel_for(64, 4, [&](Index task, Index) { in_tasks[static_cast<std::size_t>(task)] = half_of_smallest(); });
  const bool after_loop = ttt::support::flushes_denormals();
  ttt::support::flush_denormals(false);

  EXPECT_EQ(flushed, 0.0f);
  EXPECT_EQ(inside, std::numeric_limits<float>::min() / 2);
  EXPECT_TRUE(after);
  EXPECT_TRUE(after_loop);
  for (const float x : in_tasks) EXPECT_EQ(x, std::numeric_limits<float>::min() / 2);
}

}  // namespace
