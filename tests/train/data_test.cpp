// SPDX-License-Identifier: MIT
// Windows of a text: what an epoch reads, and what passing over leaves out.
#include "ttt/train/data.hpp"

#include <set>

#include "support/same_bits.hpp"
#include "support/training.hpp"

namespace ttt::support {
namespace {

TEST(TextWindows, AnEpochReadsEveryWindowOnceAndTargetsFollow) {
  std::vector<Token> text(103);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<Token>(i);
  TextWindows windows(text, 10, 1);
  Batch batch;
  std::vector<std::set<Token>> epochs;
  for (int i = 0; i < 60; ++i) {
    windows.next(1, batch);
    if (windows.position().window == 1) epochs.emplace_back();
    for (Index t = 0; t < 10; ++t) {
      EXPECT_EQ(batch.targets[0][t], batch.tokens[0][t] + 1);
      EXPECT_TRUE(epochs.back().insert(batch.tokens[0][t]).second) << "read twice in an epoch";
    }
  }
  // 102 targets and a start below 10 leave 9 or 10 windows.
  epochs.pop_back();
  ASSERT_GE(epochs.size(), 5u);
  for (const std::set<Token>& seen : epochs) EXPECT_GE(seen.size(), 90u);
  EXPECT_NE(*epochs[0].begin(), *epochs[1].begin());  // by this seed
}

TEST(TextWindows, PassingOverIsAsReading) {
  TextWindows reading(sentence(40), 24, 9), passing = reading;
  Batch batch, found;
  for (int i = 0; i < 40; ++i) {  // over the ends of epochs
    for (int j = 0; j < 3; ++j) reading.next(2, batch);
    passing.skip(4);
    passing.next(2, found);
    ASSERT_TRUE(same_bits(batch.tokens, found.tokens)) << "batch " << i;
  }
}

TEST(TextWindows, RefusesATextWithoutAWindow) {
  EXPECT_THROW(TextWindows(std::vector<Token>(10), 10, 0), ConfigError);
  EXPECT_NO_THROW(TextWindows(std::vector<Token>(11), 10, 0));
  EXPECT_THROW(TextWindows(std::vector<Token>(11), 0, 0), ConfigError);
}

}  // namespace
}  // namespace ttt::support
