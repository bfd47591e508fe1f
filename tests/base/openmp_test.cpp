// SPDX-License-Identifier: MIT
// OpenMP says how many threads there are, and its parallel regions have no loops of several threads inside.
#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "ttt/base/parallel.hpp"

namespace {

using ttt::Index;

TEST(OpenMp, SaysHowManyThreadsAndIsNotToldHowMany) {
  // On a thread of its own, as both numbers are of the calling thread.
  std::thread([] {
    EXPECT_EQ(ttt::threads(), omp_get_max_threads());
    for (const int n : {1, 3}) {
      omp_set_num_threads(n);
      EXPECT_EQ(ttt::threads(), n);
    }
    ttt::set_threads(2);
    EXPECT_EQ(ttt::threads(), 2);
    EXPECT_EQ(omp_get_max_threads(), 3);
  }).join();
}

TEST(OpenMp, LoopsInsideAParallelRegionAreSerial) {
  std::atomic<int> regions = 0, tasks = 0;
  std::atomic<bool> serial = true;
#pragma omp parallel num_threads(2)
  {
    ++regions;
    const std::thread::id outer = std::this_thread::get_id();
    ttt::parallel_for(50, 4, [&](Index, Index worker) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // long enough for others to come
      ++tasks;
      if (worker != 0 || std::this_thread::get_id() != outer) serial = false;
    });
  }
  EXPECT_EQ(regions, 2);
  EXPECT_EQ(tasks, 100);
  EXPECT_TRUE(serial);
}

}  // namespace
