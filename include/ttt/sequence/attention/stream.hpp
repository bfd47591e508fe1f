// SPDX-License-Identifier: MIT
// What attention remembers of one stream: the keys and values of all tokens that later ones see, in pages.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "ttt/sequence/attention/config.hpp"

namespace ttt {

/// Keys and values of 64 consecutive positions, which is how far one step of a softmax looks. Keys lie as the weights
/// of a dense layer do, so that scores are a product with them.
template <class T>
struct AttentionPage {
  static constexpr Index size = 64;
  static constexpr Index width = 256 / Index{sizeof(T)};  // of a panel of keys, see ops::Panels

  Tensor<T, 4> keys;    // [G, size / width, D, width], rotated
  Tensor<T, 3> values;  // [G, size, D]

  static AttentionPage zeros(const AttentionConfig& config) {
    const Index G = *config.num_key_value_heads, D = *config.head_dim;
    return {Tensor<T, 4>({G, size / width, D, width}), Tensor<T, 3>({G, size, D})};
  }

  void clear() {
    std::fill(keys.begin(), keys.end(), T(0));
    std::fill(values.begin(), values.end(), T(0));
  }
};

/// One stream of attention. It grows by a page every 64 tokens, with a window until there is room for the window and
/// for the longest call.
///
/// As a cotangent it has a position too: that of the state whose cotangent it is, or 0 for one of zeros.
template <class T>
struct AttentionStream {
  using Page = AttentionPage<T>;

  Index position = 0;       // tokens read
  Index first_page = 0;     // number of the first page that is kept: page p holds positions 64 p ... 64 p + 63
  std::vector<Page> pages;  // from that page on; there may be more of them than are in use

  /// A stream with nothing read.
  static AttentionStream zeros(const AttentionConfig&) { return {}; }

  /// The first page that a token at this position sees.
  static Index first_visible_page(const AttentionConfig& config, Index position) {
    if (!config.window) return 0;
    return std::max<Index>(0, position - *config.window + 1) / Page::size;
  }

  /// Pages in use.
  Index count() const { return (position + Page::size - 1) / Page::size - first_page; }

  /// Page number p, which is in use.
  Page& page(Index p) { return pages[static_cast<std::size_t>(p - first_page)]; }
  const Page& page(Index p) const { return pages[static_cast<std::size_t>(p - first_page)]; }

  /// After the position has changed: makes room.
  void reserve(const AttentionConfig& config) {
    while (static_cast<Index>(pages.size()) < count()) pages.push_back(Page::zeros(config));
  }

  /// Gives up the pages that no later token sees: they become room for later ones, and zeros, as all room is.
  void forget(const AttentionConfig& config) {
    const Index unseen = std::min(first_visible_page(config, position) - first_page, count());
    for (Index i = 0; i < unseen; ++i) pages[static_cast<std::size_t>(i)].clear();
    std::rotate(pages.begin(), pages.begin() + unseen, pages.end());
    first_page += unseen;
  }

  /// f(name, part...) for position and first page, which are Index, and then every tensor in use, over one or more
  /// streams at a time.
  template <class F, class First, class... Rest>
  static void visit(F f, First& first, Rest&... rest) {
    // Streams of different positions differ in that already.
    const std::size_t in_use = std::min({static_cast<std::size_t>(first.count()), rest.pages.size()...});
    const Index first_page = first.first_page;
    f("position", first.position, rest.position...);
    f("first_page", first.first_page, rest.first_page...);
    for (std::size_t i = 0; i < in_use; ++i) {
      const std::string number = std::to_string(first_page + static_cast<Index>(i));
      f("keys." + number, first.pages[i].keys, rest.pages[i].keys...);
      f("values." + number, first.pages[i].values, rest.pages[i].values...);
    }
  }
};

}  // namespace ttt
