// SPDX-License-Identifier: MIT
// What each option sets, and that whatever means nothing is refused.
#include "options.hpp"

#include <gtest/gtest.h>

namespace demo {
namespace {

TEST(Options, DefaultsAreThoseOfTheUsage) {
  const Options options = parse_options({});
  EXPECT_FALSE(options.file);
  EXPECT_EQ(options.minutes, 2);
  EXPECT_FALSE(options.steps);
  EXPECT_EQ(options.out, "ttt-demo-model");
  EXPECT_EQ(options.seed, 1);
  EXPECT_EQ(options.layer, ttt::SequenceType::linear);
  EXPECT_FALSE(options.help);
}

TEST(Options, EachIsRead) {
  const Options options =
      parse_options({"--steps", "7", "text.txt", "--out", "model", "--seed", "3", "--layer", "mlp", "--help"});
  EXPECT_EQ(options.steps, 7);
  EXPECT_EQ(options.file, "text.txt");
  EXPECT_EQ(options.out, "model");
  EXPECT_EQ(options.seed, 3);
  EXPECT_EQ(options.layer, ttt::SequenceType::mlp);
  EXPECT_TRUE(options.help);
  EXPECT_EQ(parse_options({"--minutes", "0.5"}).minutes, 0.5);
}

struct Refused {
  std::vector<std::string> arguments;
  std::string message;
};

TEST(Options, WhatMeansNothingIsRefused) {
  const std::string minutes = "--minutes: expected a number from 0.1 to 1440, found ";
  const Refused all[] = {
      {{"--minuets", "3"}, "unknown option --minuets; --help lists all"},
      {{"--minutes"}, "--minutes: expected a value after it, found nothing"},
      {{"--minutes", "soon"}, minutes + "'soon'"},
      {{"--minutes", ""}, minutes + "''"},
      {{"--minutes", "2m"}, minutes + "'2m'"},
      {{"--minutes", "nan"}, minutes + "'nan'"},
      {{"--minutes", "0"}, minutes + "'0'"},
      {{"--minutes", "-1"}, minutes + "'-1'"},
      {{"--minutes", "1e300"}, minutes + "'1e300'"},
      {{"--steps", "0"}, "--steps: expected a number from 1 to 1000000, found '0'"},
      {{"--steps", "1.5"}, "--steps: expected a number from 1 to 1000000, found '1.5'"},
      {{"--steps", "99999999999999999999"},
       "--steps: expected a number from 1 to 1000000, found '99999999999999999999'"},
      {{"--seed", "-1"}, "--seed: expected a number from 0 to 1000000000, found '-1'"},
      {{"--layer", "rnn"}, "--layer: expected linear or mlp, found 'rnn'"},
      {{"--minutes", "1", "--steps", "1"}, "expected --minutes or --steps, found both"},
      {{"a.txt", "b.txt"}, "expected one file, found 'b.txt' as well"},
  };
  for (const Refused& refused : all) {
    try {
      parse_options(refused.arguments);
      ADD_FAILURE() << "accepted; expected: " << refused.message;
    } catch (const UsageError& e) {
      EXPECT_EQ(e.what(), refused.message);
    }
  }
}

}  // namespace
}  // namespace demo
