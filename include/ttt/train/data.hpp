// SPDX-License-Identifier: MIT
// Batches to train on: what gives them, and a text cut into windows, in an order that can be saved and restored.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/ops/parameters.hpp"
#include "ttt/text/token.hpp"

namespace ttt {

/// Tokens and what should follow each of them. [sequences, time]
struct Batch {
  Tensor<Token, 2> tokens, targets;
  std::vector<Index> lengths = {};  // tokens of each sequence; empty: all. What lies beyond is not read
};

/// An endless series of sequences, the same for everyone who begins at the same position, whatever part of it they
/// read.
///   next(n, batch)  makes `batch` the next n sequences
///   skip(n)         passes over n >= 0 sequences, as `next` would
///   position()      decides with the source itself which sequence comes next; a Position has `visit`, which calls
///                   f(name, number...) for numbers of type Index (0 ... 2^53) or std::uint64_t
///   seek(position)  goes there; throws ConfigError for what can be no position, and then changes nothing
///   identity()      one line that differs for a source that gives other sequences from the same position
template <class S>
concept BatchSource = std::movable<S> && std::copyable<typename S::Position> &&
    requires(S& source, const S& constant, Batch& batch, Index n, typename S::Position& position,
             const typename S::Position& seen) {
  source.next(n, batch);
  source.skip(n);
  { constant.position() } -> std::convertible_to<const typename S::Position&>;
  source.seek(position);
  { constant.identity() } -> std::convertible_to<std::string>;
  S::Position::visit(detail::VisitNothing(), position);
  S::Position::visit(detail::VisitNothing(), seen);
};

/// Cuts a text into windows, in a new random order and from a new random place in every epoch. A BatchSource.
class TTT_EXPORT TextWindows {
 public:
  /// The text must hold at least one window and its last target; throws ConfigError.
  TextWindows(std::vector<Token> text, Index length, std::uint64_t seed);

  /// Makes `batch` the next n windows, allocating where it has another shape.
  void next(Index n, Batch& batch);
  /// Passes over the next n windows.
  void skip(Index n);

  Index length() const { return length_; }
  /// The length and a fingerprint of the text.
  std::string identity() const;

  struct Position {
    Rng epoch{0};      // the random state at the start of the epoch
    Index window = 0;  // windows of it already given

    template <class F, class... P>
    static void visit(const F& f, P&... p) {
      f("window", p.window...);
      for (std::size_t i = 0; i < Rng::words; ++i) f("random_state_" + std::to_string(i), p.epoch.state[i]...);
    }
  };
  const Position& position() const { return position_; }
  /// Throws ConfigError for a window that the epoch does not have, and for a random state of zeros.
  void seek(const Position& position);

 private:
  void shuffle();
  Index next_begin();

  std::vector<Token> text_;
  Index length_;
  Position position_;
  Rng after_epoch_{0};
  std::vector<Index> begins_;
};

}  // namespace ttt
