// SPDX-License-Identifier: MIT
// Reading golden files, and the measure and the bounds that what we compute has to keep.
#include "reference/golden/file.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <utility>

namespace ttt::support {

namespace {

using nlohmann::json;

/// The configuration that the metadata give in full. A key that we do not know could change what is computed.
ModelConfig read_config(json object) {
  const auto take = [&](const char* key) {
    json value = object.at(key);
    object.erase(key);
    return value;
  };
  const auto take_id = [&](const char* key) {
    const json value = take(key);
    return value.is_null() ? std::optional<std::int32_t>() : value.get<std::int32_t>();
  };
  ModelConfig c;
  c.vocab_size = take("vocab_size");
  c.hidden_size = take("hidden_size");
  c.num_layers = take("num_hidden_layers");
  c.num_heads = take("num_attention_heads");
  c.intermediate_size = take("intermediate_size").get<Index>();
  c.mini_batch_size = take("mini_batch_size");
  c.base_lr = take("ttt_base_lr").get<double>();
  c.rope_theta = take("rope_theta");
  c.conv_kernel = take("conv_kernel");
  c.share_qk = take("share_qk");
  c.use_gate = take("use_gate");
  c.pre_conv = take("pre_conv");
  c.tie_word_embeddings = take("tie_word_embeddings");
  c.rms_norm_eps = take("rms_norm_eps");
  c.initializer_range = take("initializer_range");
  c.pad_token_id = take_id("pad_token_id");
  c.bos_token_id = take_id("bos_token_id");
  c.eos_token_id = take_id("eos_token_id");
  const std::string type = take("ttt_layer_type"), act = take("hidden_act");
  require(type == "linear" || type == "mlp", "ttt_layer_type: expected linear or mlp, found ", type);
  require(act == "silu", "hidden_act: expected silu, found ", act);
  c.sequence_type = type == "mlp" ? SequenceType::mlp : SequenceType::linear;
  for (const char* without_effect :
       {"max_position_embeddings", "use_cache", "pretraining_tp", "scan_checkpoint_group_size"}) {
    object.erase(without_effect);
  }
  require(object.empty(), "config: expected known keys, found ", object.dump());
  return c;
}

/// |a - b|; where b was rounded to float, the distance of a from the interval of all numbers that round to b.
double distance(double a, double b, bool rounded_to_float) {
  if (!rounded_to_float) return std::abs(a - b);
  const float stored = static_cast<float>(b), infinity = std::numeric_limits<float>::infinity();
  const double low = (static_cast<double>(std::nextafter(stored, -infinity)) + b) / 2;
  const double high = (b + static_cast<double>(std::nextafter(stored, infinity))) / 2;
  if (std::isnan(a)) return a;
  return std::max({0.0, low - a, a - high});
}

}  // namespace

GoldenFile::GoldenFile(const std::filesystem::path& path, std::string name, Precision precision)
    : file_(path), name_(std::move(name)), precision_(precision) {
  const auto metadata = [&](const char* key) {
    const auto found = file_.metadata().find(key);
    require(found != file_.metadata().end(), "expected metadata ", key, ", found none");
    return json::parse(found->second);
  };
  config_ = metadata("config");
  description_ = metadata("case");
  float32_error_ = metadata("float32_error");
}

ModelConfig GoldenFile::config() const { return read_config(config_); }

double GoldenFile::bound(Quantity quantity, double float_error) const {
  if (precision_ == Precision::f32) return std::max(1e-5, 10 * float_error);
  switch (quantity) {
    case Quantity::value:
      return 1e-11;
    case Quantity::gradient:
      return 1e-10;
    case Quantity::training:
      return 1e-9;
  }
  throw Error("unknown quantity");
}

void GoldenFile::check_shape(const std::string& tensor, const std::vector<Index>& expected) const {
  const auto text = [](const std::vector<Index>& shape) { return json(shape).dump(); };
  const std::vector<Index>& found = file_.info(tensor).shape;
  require(found == expected, tensor, ": expected shape ", text(expected), ", found ", text(found));
}

GoldenFile::Expected GoldenFile::expected(const std::string& tensor, const std::vector<Index>& shape) {
  check_shape(tensor, shape);
  const TensorInfo& info = file_.info(tensor);
  Expected result{std::vector<double>(static_cast<std::size_t>(info.size())), info.dtype == Dtype::f32};
  file_.read(tensor, result.values.data(), info.size());
  used_.insert(tensor);
  return result;
}

double GoldenFile::bound_of(const std::string& name, Quantity quantity) const {
  return bound(quantity, float32_error_.value(name, 0.0));
}

void GoldenFile::measure(const std::string& name, double bound, const std::vector<double>& found,
                         const Expected& expected) {
  double largest = 0, scale = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double d = distance(found[i], expected.values[i], expected.rounded_to_float);
    largest = std::isnan(d) ? std::numeric_limits<double>::infinity() : std::max(largest, d);
    scale = std::max(scale, std::abs(expected.values[i]));
  }
  // All zero is what the formulas give there (an empty mini-batch, a clamped factor), and other tensors of these files
  // are of order one, so the same bound serves as an absolute one.
  record({scale > 0 ? largest / scale : largest, bound, name});
}

void GoldenFile::record(const Deviation& deviation) {
  if (worst_.tensor.empty() || deviation.error > worst_.error) worst_ = deviation;
  if (deviation.error <= deviation.bound) return;
  std::ostringstream message;
  message << deviation.tensor << ": expected a relative error of at most " << deviation.bound << ", found "
          << deviation.error;
  fail(message.str());
}

void GoldenFile::fail(const std::string& message) {
  failures_.push_back(name_ + " in " + (precision_ == Precision::f32 ? "float" : "double") + ": " + message);
}

void GoldenFile::check_that_nothing_is_left() {
  for (const std::string& tensor : file_.names()) {
    if (!used_.contains(tensor) && !tensor.starts_with("f32.")) fail(tensor + ": expected to be compared, was not");
  }
}

}  // namespace ttt::support
