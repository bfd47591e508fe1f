// SPDX-License-Identifier: MIT
// Rows of attention, TTT's rival: prefill, which arithmetic limits, and decoding at a long context, which reading the
// keys and values limits.
#include "loops.hpp"
#include "summary/summary.hpp"
#include "ttt/layer.hpp"
#include "work.hpp"

namespace ttt::bench {
namespace {

using Sequence = sequence::Attention<float>;

/// A sequence of `tokens` from its start. Scores and sums are counted for the keys that a token sees.
Spread prefill(Index hidden_size, Index heads, Index tokens) {
  Rng rng(1);
  const Attention<float> layer({.hidden_size = hidden_size, .num_heads = heads}, rng);
  const Tensor<float, 3> x = normal<float>({1, tokens, hidden_size}, rng);
  Tensor<float, 3> y(x.shape());
  auto state = layer.start(1);
  Workspace work;
  double flop = 0;
  for (Index t = 0; t < tokens; ++t) flop += Sequence::operations(layer.config(), t);
  return share_of_peak(widest(), flop, [&] {
    layer.reset(state.streams[0]);
    layer.forward(x, state, work, y);
  });
}

/// A token after 16,384 others, beside a read of all its keys, values and weights.
Spread decode(Index hidden_size, Index heads) {
  constexpr Index context = 16384;
  Rng rng(1);
  const Attention<float> layer({.hidden_size = hidden_size, .num_heads = heads}, rng);
  Tensor<float, 3> x = normal<float>({1, context, hidden_size}, rng), y(x.shape());
  auto state = layer.start(1);
  Workspace work;
  layer.forward(x, state, work, y);
  const View<float, 3> token(x.data(), {1, 1, hidden_size}), out(y.data(), {1, 1, hidden_size});
  const auto read = loops(widest()).read;
  return ratio(
      thread_seconds, 1.5,
      [&] {
        for (const AttentionPage<float>& page : state.streams[0].pages) {
          for (const auto& [data, size] :
               {std::pair(page.keys.data(), page.keys.size()), std::pair(page.values.data(), page.values.size())}) {
            read(reinterpret_cast<const std::byte*>(data), size * Index(sizeof(float)));
          }
        }
        Sequence::Params::visit(
            [&](const auto&, const Dense<float>& W) {
              read(reinterpret_cast<const std::byte*>(W.values().data()), W.bytes());
            },
            layer.params());
      },
      [&] { layer.forward(token, state, work, out); });
}

}  // namespace

void add_attention_rows(std::vector<Row>& rows) {
  rows.push_back({"attention_768", "of peak", [] { return prefill(768, 12, 2048); }});
  rows.push_back({"attention_2048", "of peak", [] { return prefill(2048, 32, 2048); }});
  rows.push_back({"attention_decode_16k", "of read bandwidth", [] { return decode(768, 12); }});
}

}  // namespace ttt::bench
