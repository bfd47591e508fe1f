// SPDX-License-Identifier: MIT
// Rows of decoding, one token at a time.
#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "layer_forward.hpp"
#include "summary/summary.hpp"
#include "ttt/model.hpp"

namespace ttt::bench {
namespace {

using Linear = inner::Linear<float>;

/// Lines of 64 bytes in which two tensors of one shape differ, in bytes.
template <class Tensor>
double changed_bytes(const Tensor& a, const Tensor& b) {
  constexpr Index line = 64 / sizeof(float);
  double bytes = 0;
  for (Index i = 0; i < a.size(); i += line) {
    const std::size_t n = sizeof(float) * static_cast<std::size_t>(std::min(line, a.size() - i));
    if (std::memcmp(a.data() + i, b.data() + i, n) != 0) bytes += static_cast<double>(n);
  }
  return bytes;
}

/// Bytes that a token moves in one head of size 64, each once:
///   read                   weights W and b, the rows X and G that are open already
///   written                what differs in the state afterwards
///   inputs and outputs     a row each of queries, keys, targets and outputs, and the rate
/// The mean over a mini-batch, of which the last token takes the gradient step.
Spread moved_bytes() {
  constexpr Index D = 64;
  LayerForward<Linear> one(D, 1, 1);
  std::vector<double> all;
  for (Index t = 0; t < one.layer.config().mini_batch_size; ++t) {
    fill_normal<float>({one.x.data(), {D}}, 1, one.rng);
    TttStream<Linear> before = one.stream.streams[0];
    one.run();
    double bytes = sizeof(float) * real(4 * D + 1);
    for (const auto& map : before.maps) {
      bytes += sizeof(float) * real(map.W.size() + map.b.size() + t * (map.X.extent(2) + map.G.extent(2)));
    }
    TttStream<Linear>::visit(
        detail::tensors_only([&](const std::string&, auto& a, auto& b) { bytes += changed_bytes(a, b); }), before,
        one.stream.streams[0]);
    all.push_back(bytes);
  }
  double sum = 0;
  for (const double bytes : all) sum += bytes;
  return Spread(quantile(all, 0), sum / static_cast<double>(all.size()), quantile(all, 1));
}

/// Reads one stream with a language model, logits of every token included.
class Decoder {
 public:
  explicit Decoder(const Model& model) : model_(model) {}

  /// A mini-batch, token by token.
  void run() {
    for (int i = 0; i < tokens; ++i) {
      token_[0][0] = (token_[0][0] + 1) % 1000;
      model_.forward_last(token_, stream_, work_, logits_);
    }
  }

  static constexpr int tokens = 16;

 private:
  const Model& model_;
  Tensor<Token, 2> token_{Shape<2>{1, 1}};
  Tensor<float, 2> logits_{{1, model_.config().vocab_size}};
  ModelState<float> stream_ = model_.start(1);
  Workspace work_;
};

/// A language model of 125 million parameters, valid until another type is asked for: making one takes seconds, so the
/// last one is kept.
const Model& model_of(SequenceType type) {
  static std::optional<Model> last;
  if (!last || last->config().sequence_type != type) {
    Rng rng(1);
    set_threads(2);
    last.emplace(ModelConfig{.hidden_size = 768, .num_layers = 12, .num_heads = 12, .sequence_type = type}, rng);
    set_threads(1);
  }
  return *last;
}

Spread tokens_per_second(SequenceType type) {
  Decoder decoder(model_of(type));
  std::vector<double> all;
  repeat(2, [&] { all.push_back(Decoder::tokens / time_of(thread_seconds, [&] { decoder.run(); })); });
  return Spread(all);
}

/// The rate with weights in this format over that with weights in full precision.
Spread gain(SequenceType type, WeightFormat format) {
  const Model& model = model_of(type);
  Model smaller = model.clone();
  convert(smaller.params(), format);
  Decoder full(model), rounded(smaller);
  return ratio(
      thread_seconds, 2, [&] { full.run(); }, [&] { rounded.run(); });
}

}  // namespace

void add_decode_rows(std::vector<Row>& rows) {
  rows.push_back({"decode_bytes", "bytes for a token in a head", moved_bytes});
  for (const SequenceType type : {SequenceType::linear, SequenceType::mlp}) {
    const std::string row = "decode_" + std::string(name(type)) + "_125m";
    rows.push_back({row, "tokens/s", [=] { return tokens_per_second(type); }});
    for (const WeightFormat format : {WeightFormat::bf16, WeightFormat::q8}) {
      rows.push_back({row + "_" + name(format), "times full precision", [=] { return gain(type, format); }});
    }
  }
}

}  // namespace ttt::bench
