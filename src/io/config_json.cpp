// SPDX-License-Identifier: MIT
// config.json: the keys of a configuration, visited by a reader and by a writer.
#include "io/config_json.hpp"

#include <limits>
#include <optional>
#include <set>
#include <string>

#include "io/file.hpp"
#include "io/float_formats.hpp"
#include "io/parse_json.hpp"

namespace ttt::detail {
namespace {

using nlohmann::json;

constexpr const char* blocks_key = "sequence_layers";
constexpr const char* official_type = "ttt";
constexpr const char* hybrid_type = "ttt_hybrid";  // of models that the official implementation does not know

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

  void operator()(const char* key, std::optional<Token>& id) {
    const json* value = find(key);
    if (value == nullptr) return;
    id.reset();
    if (!value->is_null()) {
      id = static_cast<Token>(integer(key, *value, 0, std::numeric_limits<Token>::max()));
    }
  }

  void operator()(const char* key, SequenceType& type) {
    const json* value = find(key);
    if (value == nullptr) return;
    check(*value == "linear" || *value == "mlp", key, "\"linear\" or \"mlp\"", *value);
    type = *value == "mlp" ? SequenceType::mlp : SequenceType::linear;
  }

  /// One entry of the list of layers: a name, or an object with what differs from the model's own configuration.
  SequenceConfig layer(const ModelConfig& model) {
    const json* type_name = object_.is_string() ? &object_ : find("type");
    const auto type = type_name != nullptr && type_name->is_string()
                          ? sequence_type(type_name->get_ref<const std::string&>())
                          : std::optional<SequenceType>();
    require<CheckpointError>(type.has_value(), where_, ": expected a type of layer, found ", excerpt(object_));
    return sequence::with<float>(*type, [&]<class S, std::size_t number>(sequence::At<S, number>) {
      auto config = model.layer<S>();
      if (object_.is_object()) {
        S::Config::visit(
            [&]<class Field>(const char* key, Field& field) {
              const json* value = find(key);
              if constexpr (requires { field.reset(); }) {
                if (value != nullptr && value->is_null()) return field.reset();
              }
              (*this)(key, field);
            },
            config);
        for (const auto& [key, value] : object_.items()) {
          require<CheckpointError>(seen_.contains(key), where_, ": expected keys of such a layer only, found \"", key,
                                   "\"");
        }
      }
      return SequenceConfig(*type, sequence::AnyConfig(std::in_place_index<number>, config));
    });
  }

  void operator()(const char* key, std::vector<SequenceConfig>& blocks, const ModelConfig& model) {
    const json* value = find(key);
    if (value == nullptr) return;
    check(value->is_array() && !value->empty(), key, "an array of layers", *value);
    for (std::size_t i = 0; i < value->size(); ++i) {
      const json& entry = (*value)[i];
      check(entry.is_string() || entry.is_object(), key, "layers by name or as objects", entry);
      blocks.push_back(Reader(entry, where_ + ": " + key + "[" + std::to_string(i) + "]").layer(model));
    }
  }

  /// A key that leaves no choice.
  void require_value(const char* key, const char* expected) {
    if (const json* value = find(key)) check(*value == expected, key, json(expected).dump(), *value);
  }

  void operator()(const char* key, Parts& switches) {
    const json* value = find(key);
    if (value == nullptr) return;
    check(value->is_object(), key, "an object", *value);
    Reader inside(*value, where_ + ": " + key);
    Parts::visit([&](const char* name, bool& on) { inside(name, on); }, switches);
    for (const auto& [name, unused] : value->items()) {
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
  /// With `all_switches` those that are on are written too: what an entry does not say is the model's.
  explicit Writer(json& object, bool all_switches = false) : object_(object), all_switches_(all_switches) {}

  void operator()(const char* key, SequenceType type) { object_[key] = name(type); }

  void operator()(const char* key, const Parts& parts) {
    Parts::visit(
        [&](const char* part, bool on) {
          if (!on || all_switches_) object_[key][part] = on;
        },
        parts);
  }

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
  bool all_switches_;
};

/// The list of a hybrid's layers: by name, or with what differs from the model's own configuration.
json layers_of(const ModelConfig& model) {
  json all = json::array();
  for (const SequenceConfig& block : model.blocks) {
    sequence::with_config<float>(block, [&]<class S, std::size_t number>(sequence::At<S, number>, const auto& config) {
      json entry = {{"type", name(block.type)}};
      Writer writer(entry, true);
      const auto usual = S::resolved(model.layer<S>());
      S::Config::visit(
          [&](const char* key, const auto& field, const auto& usual_field) {
            if (!(field == usual_field)) writer(key, field);
          },
          config, usual);
      all.push_back(entry.size() == 1 ? entry["type"] : entry);
    });
  }
  return all;
}

const char* torch_dtype(Dtype stored) {
  const char* found = nullptr;
  with_float_format(stored, "torch_dtype", [&](auto format) { found = format.torch_dtype; });
  return found;
}

}  // namespace

ModelConfig read_config(const std::filesystem::path& file) {
  const std::string where = file.string();
  const json object = parse_json(read_text(file), where);
  require<CheckpointError>(object.is_object(), where, ": expected a JSON object, found ", excerpt(object));

  ModelConfig config;
  config.intermediate_size = 5504;  // what the official implementation takes for an absent key, whatever
  config.base_lr = 1.0;             // the width and the inner model
  const bool official = !object.contains(blocks_key);
  if (!official) config.base_lr.reset();
  Reader reader(object, where);
  reader.require_value("model_type", official ? official_type : hybrid_type);
  reader.require_value("hidden_act", "silu");
  ModelConfig::visit([&](const char* key, auto& field) { reader(key, field); }, config);
  reader(blocks_key, config.blocks, config);
  try {
    validate(config);
  } catch (const ConfigError& e) {
    throw CheckpointError(where + ": " + e.what());
  }
  return config;
}

void write_config(const std::filesystem::path& file, const ModelConfig& config, Dtype stored) {
  ModelConfig written = resolved(config);
  const bool official = written.blocks.empty() &&
                        (written.sequence_type == SequenceType::linear || written.sequence_type == SequenceType::mlp);
  json object = {
      {"architectures", {"TTTForCausalLM"}},
      {"hidden_act", "silu"},
      {"max_position_embeddings", 2048},  // this and the last three: read, without effect on what a model computes
      {"model_type", official ? official_type : hybrid_type},
      {"torch_dtype", torch_dtype(stored)},
      {"pretraining_tp", 1},
      {"scan_checkpoint_group_size", 0},
      {"use_cache", false},
  };
  ModelConfig::visit([writer = Writer(object)](const char* key, const auto& field) mutable { writer(key, field); },
                     written);
  if (!official) {
    if (written.blocks.empty()) written.blocks = {written.block(0)};
    object.erase("architectures");
    object.erase("ttt_layer_type");
    if (!written.base_lr) object.erase("ttt_base_lr");
    object[blocks_key] = layers_of(written);
  }
  write_text(file, object.dump(2) + "\n");
}

}  // namespace ttt::detail
