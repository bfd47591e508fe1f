// SPDX-License-Identifier: MIT
// Scratch memory: aligned, never handed out twice at a time, and of a size that settles.
#include "ttt/base/workspace.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "ttt/base/random.hpp"

namespace ttt {
namespace {

template <class T>
bool aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % detail::alignment == 0;
}

TEST(Workspace, ViewsAreAlignedAndApart) {
  Workspace work;
  Frame frame(work);
  std::vector<View<float>> views;
  for (Index n = 0; n < 100; ++n) {
    views.push_back(frame.take<float, 2>({n, 37}));
    fill(views.back(), static_cast<float>(n));
  }
  for (Index n = 0; n < 100; ++n) {
    const View<float>& v = views[static_cast<std::size_t>(n)];
    EXPECT_TRUE(aligned(v.data()));
    for (Index i = 0; i < v.size(); ++i) ASSERT_EQ(v.data()[i], static_cast<float>(n));
  }
}

TEST(Workspace, NestedFramesKeepWhatIsOutside) {
  Workspace work;
  Frame outer(work);
  const View<double, 1> kept = outer.zeros<double, 1>({1000});
  const double* first = nullptr;
  for (int i = 0; i < 3; ++i) {
    Frame inner(work);
    const View<double, 1> v = inner.take<double, 1>({5000});
    if (first == nullptr) first = v.data();
    EXPECT_EQ(v.data(), first) << "memory was not given back";
    fill(v, 1.0);
  }
  for (Index i = 0; i < kept.size(); ++i) ASSERT_EQ(kept[i], 0.0);
}

TEST(Workspace, ZerosAreZeroInUsedMemory) {
  Workspace work;
  for (const double value : {1.0, 2.0}) {
    Frame frame(work);
    const View<double, 1> v = frame.zeros<double, 1>({777});
    for (Index i = 0; i < v.size(); ++i) ASSERT_EQ(v[i], 0.0);
    fill(v, value);
  }
}

TEST(Workspace, SettlesNearTheMostThatWasTakenAtATime) {
  Workspace work;
  const auto use = [&](Index scale) {
    Frame outer(work);
    outer.take<std::byte, 1>({10000});
    for (const Index n : {64000, 320, 128000}) {
      Frame inner(work);
      inner.take<std::byte, 1>({scale * n});
    }
  };
  use(1);
  const Index bytes = work.bytes();
  EXPECT_LE(bytes, 2 * (10000 + 128000) + 4096);
  for (int i = 0; i < 3; ++i) use(1);
  EXPECT_EQ(work.bytes(), bytes) << "nothing is allocated for the same calls";
  // Blocks for every size that ever came up would hold several times as much.
  for (Index scale = 2; scale < 20; ++scale) use(scale);
  EXPECT_LE(work.bytes(), 2 * (10000 + 19 * 128000) + 4096);
}

TEST(Workspace, OneFrameFillsBlocksByMoreThanHalf) {
  for (int i = 0; i < 100; ++i) {
    Workspace work;
    Index taken = 0, bytes = 0;
    for (int pass = 0; pass < 2; ++pass) {
      Rng sizes(static_cast<std::uint64_t>(i));
      Frame frame(work);
      taken = 0;
      for (int n = 0; n < 200; ++n) {
        const Index size = 64 * static_cast<Index>(sizes.below(sizes.below(4) == 0 ? 2000 : 20));
        frame.take<std::byte, 1>({size});
        taken += size;
      }
      if (pass == 0) bytes = work.bytes();
    }
    EXPECT_LE(bytes, 2 * taken + 4096);
    EXPECT_EQ(work.bytes(), bytes) << "the same frame again allocates nothing";
  }
}

TEST(Workspace, WorkersAreLevelled) {
  Workspace work;
  Frame frame(work);
  std::vector<Workspace>& workers = frame.workers(3);
  {
    Frame of_one(workers[1]);
    of_one.take<std::byte, 1>({64000});
  }
  frame.level_workers();
  for (const Workspace& worker : workers) EXPECT_EQ(worker.bytes(), 64000);
  EXPECT_EQ(&frame.workers(2), &workers);
  EXPECT_EQ(workers.size(), 3u) << "memory of workers is kept";
}

TEST(Workspace, RefusesImpossibleShapes) {
  Workspace work;
  Frame frame(work);
  EXPECT_THROW((frame.take<float, 2>({3, -1})), ShapeError);
  EXPECT_THROW((frame.take<float, 2>({Index{1} << 40, Index{1} << 40})), ShapeError);
}

}  // namespace
}  // namespace ttt
