// SPDX-License-Identifier: MIT
// Windows of a text in a random order.
#include "ttt/train/data.hpp"

#include <algorithm>

#include "base/hexadecimal.hpp"

namespace ttt {

TextWindows::TextWindows(std::vector<Token> text, Index length, std::uint64_t seed)
    : text_(std::move(text)), length_(length) {
  require<ConfigError>(length >= 1, "expected windows of at least 1 token, found ", length);
  require<ConfigError>(static_cast<Index>(text_.size()) > length, "expected a text of more than ", length,
                       " tokens, one window and its last target, found ", text_.size());
  position_.epoch = Rng(seed);
  shuffle();
}

void TextWindows::shuffle() {
  Rng rng = position_.epoch;
  // Windows are `length` apart, so that an epoch reads no token twice; where the first begins differs by epoch.
  const Index targets = static_cast<Index>(text_.size()) - 1;
  const Index first =
      static_cast<Index>(rng.below(static_cast<std::uint64_t>(std::min(length_, targets - length_ + 1))));
  begins_.clear();
  for (Index begin = first; begin + length_ <= targets; begin += length_) begins_.push_back(begin);
  for (std::size_t i = begins_.size(); i > 1; --i) std::swap(begins_[i - 1], begins_[rng.below(i)]);
  after_epoch_ = rng;
}

Index TextWindows::next_begin() {
  if (position_.window == static_cast<Index>(begins_.size())) {
    position_ = {after_epoch_, 0};
    shuffle();
  }
  return begins_[static_cast<std::size_t>(position_.window++)];
}

void TextWindows::next(Index n, Batch& batch) {
  for (Tensor<Token, 2>* t : {&batch.tokens, &batch.targets}) {
    if (t->shape() != Shape<2>{n, length_}) *t = Tensor<Token, 2>({n, length_});
  }
  batch.lengths.clear();
  for (Index i = 0; i < n; ++i) {
    const Token* window = text_.data() + next_begin();
    std::copy_n(window, length_, batch.tokens[i].data());
    std::copy_n(window + 1, length_, batch.targets[i].data());
  }
}

void TextWindows::skip(Index n) {
  for (Index i = 0; i < n; ++i) next_begin();
}

std::string TextWindows::identity() const {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const Token token : text_) hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001b3;
  return detail::message({"windows of ", length_, " tokens of the text with digest ", detail::hexadecimal(hash)});
}

void TextWindows::seek(const Position& position) {
  const auto& state = position.epoch.state;
  require<ConfigError>(std::any_of(state.begin(), state.end(), [](std::uint64_t word) { return word != 0; }),
                       "expected a random state that is not all 0, from which no number comes, found it");
  const Position before = position_;
  position_ = position;
  shuffle();
  if (position.window >= 0 && position.window <= static_cast<Index>(begins_.size())) return;
  position_ = before;
  const std::size_t windows = begins_.size();
  shuffle();
  require<ConfigError>(false, "expected a position of 0 to ", windows, " windows, found ", position.window);
}

}  // namespace ttt
