// SPDX-License-Identifier: MIT
// Text passes as it is; whatever else a model may write does not reach the terminal.
#include "sample.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace demo {
namespace {

std::string shown(const std::string& bytes) {
  std::ostringstream out;
  SafeText text(out);
  for (const char c : bytes) text.put(c);
  text.finish();
  return out.str();
}

constexpr const char* replacement = "\xEF\xBF\xBD";

TEST(SafeText, TextPassesAsItIs) {
  const std::string text =
      "plain\ttext\n"
      "\xC2\xA0 \xC3\xA9 \xDF\xBF \xE0\xA0\x80 \xE2\x82\xAC \xED\x9F\xBF \xEF\xBF\xBF \xF0\x90\x80\x80 "
      "\xF4\x8F\xBF\xBF";
  EXPECT_EQ(shown(text), text);
}

TEST(SafeText, ControlsAreReplaced) {
  for (const std::string control : {"\x1B", "\r", "\b", "\x7F", "\xC2\x9B"}) {
    const std::string text = shown("a" + control + "b");
    EXPECT_EQ(text.substr(0, 4), std::string("a") + replacement);
    EXPECT_EQ(text.back(), 'b');
    EXPECT_EQ(text.find(control), text.npos);
  }
  EXPECT_EQ(shown(std::string(1, '\0')), replacement);
}

TEST(SafeText, BrokenCharactersAreReplaced) {
  const std::string r = replacement;
  EXPECT_EQ(shown("\xC3"), r);             // ends too soon
  EXPECT_EQ(shown("\xE2\x82z"), r + "z");  // what follows is not lost
  EXPECT_EQ(shown("\xE2\x82\xC3\xA9"), r + "\xC3\xA9");
  EXPECT_EQ(shown("\x80"), r);  // begins none
  EXPECT_EQ(shown("\xFF"), r);
  EXPECT_EQ(shown("\xC0\xAF"), r + r);                  // a second encoding of '/'
  EXPECT_EQ(shown("\xED\xA0\x80"), r + r + r);          // a surrogate
  EXPECT_EQ(shown("\xF4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
}

}  // namespace
}  // namespace demo
