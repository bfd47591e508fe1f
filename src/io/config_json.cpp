// SPDX-License-Identifier: MIT
// config.json: one list of keys, walked by a reader and by a writer.
#include "io/config_json.hpp"

#include <limits>
#include <optional>
#include <set>
#include <string>

#include "io/file.hpp"
#include "io/parse_json.hpp"

namespace ttt::detail {
namespace {

using nlohmann::json;

template <class Visitor, class Config>
void visit_keys(Visitor& visit, Config& c) {
  visit("vocab_size", c.vocab_size);
  visit("hidden_size", c.hidden_size);
  visit("intermediate_size", c.intermediate_size);
  visit("num_hidden_layers", c.num_layers);
  visit("num_attention_heads", c.num_heads);
  visit("ttt_layer_type", c.layer_type);
  visit("ttt_base_lr", c.base_lr);
  visit("mini_batch_size", c.mini_batch_size);
  visit("rope_theta", c.rope_theta);
  visit("conv_kernel", c.conv_kernel);
  visit("share_qk", c.share_qk);
  visit("use_gate", c.use_gate);
  visit("pre_conv", c.pre_conv);
  visit("tie_word_embeddings", c.tie_word_embeddings);
  visit("rms_norm_eps", c.rms_norm_eps);
  visit("initializer_range", c.initializer_range);
  visit("pad_token_id", c.pad_token_id);
  visit("bos_token_id", c.bos_token_id);
  visit("eos_token_id", c.eos_token_id);
}

template <class Visitor, class Switches>
void visit_switches(Visitor& visit, Switches& a) {
  visit("inner_norm", a.inner_norm);
  visit("inner_residual", a.inner_residual);
  visit("inner_bias", a.inner_bias);
  visit("rotary", a.rotary);
  visit("learned_rate", a.learned_rate);
  visit("token_scale", a.token_scale);
  visit("learned_w0", a.learned_w0);
}

constexpr const char* ablation_key = "ttt_ablation";

/// Sets each field whose key is there, and leaves the others.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {}

  void operator()(const char* key, bool& field) {
    if (const json* value = find(key)) {
      check(value->is_boolean(), key, "true or false", *value);
      field = value->get<bool>();
    }
  }

  void operator()(const char* key, Index& field) {
    if (const json* value = find(key)) field = integer(key, *value, 1, std::numeric_limits<Index>::max());
  }

  void operator()(const char* key, double& field) {
    if (const json* value = find(key)) {
      check(value->is_number(), key, "a number", *value);
      field = value->get<double>();
    }
  }

  template <class T>
  void operator()(const char* key, std::optional<T>& field) {
    if (find(key) != nullptr) (*this)(key, field.emplace());
  }

  void operator()(const char* key, std::optional<std::int32_t>& id) {
    const json* value = find(key);
    if (value == nullptr) return;
    id.reset();
    if (!value->is_null()) {
      id = static_cast<std::int32_t>(integer(key, *value, 0, std::numeric_limits<std::int32_t>::max()));
    }
  }

  void operator()(const char* key, LayerType& type) {
    const json* value = find(key);
    if (value == nullptr) return;
    check(*value == "linear" || *value == "mlp", key, "\"linear\" or \"mlp\"", *value);
    type = *value == "mlp" ? LayerType::mlp : LayerType::linear;
  }

  /// A key that leaves no choice.
  void require_value(const char* key, const char* expected) {
    if (const json* value = find(key)) check(*value == expected, key, json(expected).dump(), *value);
  }

  void operator()(const char* key, Ablation& switches) {
    const json* value = find(key);
    if (value == nullptr) return;
    check(value->is_object(), key, "an object", *value);
    Reader inside(*value, where_ + ": " + key);
    visit_switches(inside, switches);
    for (const auto& [name, ignored] : value->items()) {
      check(inside.seen_.contains(name), key, "switches of the layer only", json(name));
    }
  }

 private:
  const json* find(const char* key) {
    seen_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  void check(bool condition, const char* key, const std::string& expected, const json& found) const {
    require<CheckpointError>(condition, where_, ": ", key, ": expected ", expected, ", found ", excerpt(found));
  }

  Index integer(const char* key, const json& value, Index least, Index most) const {
    const bool representable =
        value.is_number_integer() &&
        (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<Index>::max()});
    check(representable && least <= value.get<Index>() && value.get<Index>() <= most, key,
          "an integer in " + std::to_string(least) + " ... " + std::to_string(most), value);
    return value.get<Index>();
  }

  const json& object_;
  std::string where_;
  std::set<std::string> seen_;  // keys that were asked for
};

class Writer {
 public:
  explicit Writer(json& object) : object_(object) {}

  void operator()(const char* key, LayerType type) { object_[key] = name(type); }

  template <class T>
  void operator()(const char* key, const T& field) {
    object_[key] = field;
  }

  template <class T>
  void operator()(const char* key, const std::optional<T>& field) {
    object_[key] = field ? json(*field) : json();
  }

 private:
  json& object_;
};

/// Writes the switches that are off.
class AblationWriter {
 public:
  explicit AblationWriter(json& object) : object_(object) {}

  void operator()(const char* key, bool on) {
    if (!on) object_[ablation_key][key] = false;
  }

 private:
  json& object_;
};

const char* torch_dtype(Dtype stored) {
  switch (stored) {
    case Dtype::f64:
      return "float64";
    case Dtype::f32:
      return "float32";
    case Dtype::f16:
      return "float16";
    case Dtype::bf16:
      return "bfloat16";
    default:
      throw CheckpointError(std::string("torch_dtype: expected F64, F32, F16 or BF16, found ") + name(stored));
  }
}

}  // namespace

ModelConfig read_config(const std::filesystem::path& file) {
  const std::string where = file.string();
  const json object = parse_json(read_text(file), where);
  require<CheckpointError>(object.is_object(), where, ": expected a JSON object, found ", excerpt(object));

  ModelConfig config;
  config.intermediate_size = 5504;  // what the official implementation takes for an absent key, whatever
  config.base_lr = 1.0;             // the width and the inner model
  Reader reader(object, where);
  reader.require_value("model_type", "ttt");
  reader.require_value("hidden_act", "silu");
  visit_keys(reader, config);
  reader(ablation_key, config.ablation);
  try {
    validate(config);
  } catch (const ConfigError& e) {
    throw CheckpointError(where + ": " + e.what());
  }
  return config;
}

void write_config(const std::filesystem::path& file, const ModelConfig& config, Dtype stored) {
  const ModelConfig written = resolved(config);
  json object = {
      {"architectures", {"TTTForCausalLM"}},
      {"hidden_act", "silu"},
      {"max_position_embeddings", 2048},  // this and the last three: read, without effect on what a model computes
      {"model_type", "ttt"},
      {"torch_dtype", torch_dtype(stored)},
      {"pretraining_tp", 1},
      {"scan_checkpoint_group_size", 0},
      {"use_cache", false},
  };
  Writer writer(object);
  visit_keys(writer, written);
  AblationWriter ablation_writer(object);
  visit_switches(ablation_writer, written.ablation);
  write_text(file, object.dump(2) + "\n");
}

}  // namespace ttt::detail
