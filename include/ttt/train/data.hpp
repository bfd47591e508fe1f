// SPDX-License-Identifier: MIT
// Batches of a text, in an order that can be saved and restored.
#pragma once

#include <string>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/text/token.hpp"

namespace ttt {

/// Tokens and what should follow each of them. [batch, time]
struct Batch {
  Tensor<Token, 2> tokens, targets;
};

/// Cuts a text into windows, in a new random order and from a new random place in every epoch.
class TTT_EXPORT TextWindows {
 public:
  /// The text must hold at least one window and its last target; throws ConfigError.
  TextWindows(std::vector<Token> text, Index length, std::uint64_t seed);

  /// Fills every row of `batch` with the next window.
  void next(Batch& batch);

  Index length() const { return length_; }
  /// A fingerprint of the text, 16 hexadecimal digits. A run resumes only with the text that it began with.
  std::string digest() const;

  /// All that decides which windows come next, to be saved and restored.
  struct Position {
    Rng epoch{0};      // the random state at the start of the epoch
    Index window = 0;  // windows of it already given
  };
  const Position& position() const { return position_; }
  void seek(const Position& position);

 private:
  void shuffle();

  std::vector<Token> text_;
  Index length_;
  Position position_;
  Rng after_epoch_{0};
  std::vector<Index> begins_;
};

}  // namespace ttt
