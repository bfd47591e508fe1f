// SPDX-License-Identifier: MIT
// Bits per byte on held-out text against the position in the text.
#pragma once

#include <iosfwd>
#include <string_view>
#include <vector>

#include "ttt/model.hpp"

namespace demo {

using ttt::Index;

/// Held-out text cut into passages of one length, to be read side by side, and the byte that follows each byte.
struct Passages {
  ttt::Tensor<ttt::Token, 2> tokens, targets;  // [passages, length]
};

/// As many as the text has, and at most `most`; it must have one.
Passages cut(std::string_view text, Index length, Index most);

/// The mean over the passages of the loss at each of the first `length` positions, in bits. Every passage is read once
/// from a fresh state, which is carried to the end.
std::vector<double> bits_by_position(const ttt::Model& model, const Passages& passages, double inner_lr, Index length);

/// The mean over all positions.
double mean(const std::vector<double>& bits);

/// Writes one line for the positions [0, 16), [16, 32), [32, 64), ... of both models.
void write_report(std::ostream& out, const std::vector<double>& learning, const std::vector<double>& frozen,
                  Index trained_length);

/// What a format of the dense weights makes of the mean loss.
struct FormatBits {
  ttt::WeightFormat format;
  double bits;
};

/// Writes one line for each format, with its difference from the first.
void write_formats(std::ostream& out, const std::vector<FormatBits>& formats);

}  // namespace demo
