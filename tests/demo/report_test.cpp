// SPDX-License-Identifier: MIT
// Every position is in one bucket, and every loss is the model's own.
#include "report.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <sstream>

namespace demo {
namespace {

TEST(Report, BucketsDouble) {
  std::vector<double> learning(64), frozen(64, 2.0);
  for (std::size_t t = 0; t < learning.size(); ++t) learning[t] = t < 16 ? 1.0 : t < 32 ? 1.5 : 2.25;
  std::ostringstream out;
  write_report(out, learning, frozen, 32);
  EXPECT_EQ(out.str(),
            "      positions      TTT     twin     gain\n"
            "         0 - 15    1.000    2.000    1.000\n"
            "        16 - 31    1.500    2.000    0.500   <- trained to here\n"
            "        32 - 63    2.250    2.000   -0.250\n"
            "            all    1.750    2.000    0.250\n");
}

TEST(Report, FormatsAreComparedWithTheFirst) {
  std::ostringstream out;
  write_formats(out,
                {{ttt::WeightFormat::full, 2.5}, {ttt::WeightFormat::bf16, 2.50001}, {ttt::WeightFormat::q8, 2.25}});
  EXPECT_EQ(out.str(),
            "        weights  bits per byte    change\n"
            "           full        2.50000  +0.00000\n"
            "           bf16        2.50001  +0.00001\n"
            "             q8        2.25000  -0.25000\n");
  EXPECT_EQ(mean({1, 2, 6}), 3);
}

TEST(Report, PassagesAreCutSideBySide) {
  const Passages passages = cut("abcdefgh\xFF", 4, 9);
  ASSERT_EQ(passages.tokens.shape(), (ttt::Shape<2>{2, 4}));
  EXPECT_EQ(passages.tokens[1][0], 'e');
  EXPECT_EQ(passages.targets[0][3], 'e');
  EXPECT_EQ(passages.targets[1][3], 255);
  EXPECT_EQ(cut("abcdefghi", 4, 1).tokens.extent(0), 1);
  EXPECT_EQ(cut("abcdefgh", 4, 9).tokens.extent(0), 1);  // the last byte has no next one
}

/// Bits by position from the logits of one call, with nothing carried and nothing in pieces.
std::vector<double> bits_by_logits(const ttt::Model& model, const Passages& passages) {
  const ttt::Tensor<float, 3> logits = model(passages.tokens);
  std::vector<double> bits;
  for (Index t = 0; t < passages.tokens.extent(1); ++t) {
    double sum = 0;
    for (Index i = 0; i < passages.tokens.extent(0); ++i) {
      double total = 0;
      for (Index v = 0; v < 256; ++v) total += std::exp(static_cast<double>(logits[i][t][v]));
      sum += std::log2(total) - logits[i][t][passages.targets[i][t]] / std::numbers::ln2;
    }
    bits.push_back(sum / static_cast<double>(passages.tokens.extent(0)));
  }
  return bits;
}

TEST(Report, StateIsCarriedFromPieceToPiece) {
  ttt::Rng rng(1);
  const ttt::Model model({.vocab_size = 256, .hidden_size = 32, .num_layers = 1, .num_heads = 2}, rng);
  std::string text;
  while (text.size() < 1'300) text += "0123456789 abcdefghijklmnopqrstuvwxyz"[text.size() * text.size() % 37];
  const Passages passages = cut(text, 600, 2);
  const std::vector<double> bits = bits_by_position(model, passages, /*inner_lr=*/1, 600);
  const std::vector<double> expected = bits_by_logits(model, passages);
  ASSERT_EQ(bits.size(), expected.size());
  // A loss is a float below 16: half a unit in its last place is 2^-21, and so is that of the logit behind it.
  for (std::size_t t = 0; t < bits.size(); ++t) EXPECT_NEAR(bits[t], expected[t], 4 * std::ldexp(1.0, -21)) << t;

  const std::vector<double> frozen = bits_by_position(model, passages, /*inner_lr=*/0, 600);
  EXPECT_NE(frozen, bits);
}

}  // namespace
}  // namespace demo
