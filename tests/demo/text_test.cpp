// SPDX-License-Identifier: MIT
// What is held out of a text, and where a sample begins.
#include "text.hpp"

#include <gtest/gtest.h>

#include "ttt/base/error.hpp"

namespace demo {
namespace {

TEST(Split, PartsAreTheWholeText) {
  Text text{"text", std::string(10'000, 'x')};
  text.bytes[9'500] = 'y';
  const Split parts = split(text, 100);
  EXPECT_EQ(parts.held_out.size(), 500u);  // a twentieth
  EXPECT_EQ(parts.held_out.front(), 'y');
  EXPECT_EQ(std::string(parts.training) + std::string(parts.held_out), text.bytes);
}

TEST(Split, HoldsOutAtLeastWhatIsNeeded) {
  const Text text{"text", std::string(400, 'x')};
  EXPECT_EQ(split(text, 100).held_out.size(), 100u);
  EXPECT_THROW(split(text, 101), ttt::Error);
}

TEST(Prompt, IsALine) {
  const std::string line = "this line has more than sixty characters, so that it is long enough";
  EXPECT_EQ(prompt("the end of a line\n" + line + "\n" + line), line + "\n");
}

TEST(Prompt, IsSomeBytesWhereThereAreNoLines) {
  const std::string text(1'000, 'x');
  EXPECT_EQ(prompt(text).size(), 100u);
  EXPECT_EQ(prompt("\n" + text).size(), 100u);
}

}  // namespace
}  // namespace demo
