// SPDX-License-Identifier: MIT
// Models to and from directories in the Hugging Face layout.
#include "ttt/io/checkpoint.hpp"

#include <set>

#include "io/atomic_directory.hpp"
#include "io/config_json.hpp"
#include "io/file_names.hpp"
#include "io/float_formats.hpp"
#include "io/model_files.hpp"

namespace ttt {

namespace {

/// The tensors of a directory under the names of a language model; a bare model's file lacks the leading "model.".
class ModelTensors {
 public:
  explicit ModelTensors(const std::filesystem::path& directory) : files_(directory) {
    for (const std::string& name : files_.names()) {
      const bool bare = name.rfind("model.", 0) != 0 && name.rfind("lm_head.", 0) != 0;
      const bool first = names_.emplace(bare ? "model." + name : name, name).second;
      require<CheckpointError>(first, directory.string(), ": tensor ", name, ": expected it once, found it with and ",
                               "without a leading model.");
    }
  }

  const std::map<std::string, std::string>& names() const { return names_; }
  bool contains(const std::string& name) const { return names_.count(name) > 0; }
  const TensorInfo& info(const std::string& name) const { return files_.info(names_.at(name)); }

  template <class T>
  void read(const std::string& name, T* out, Index n) const {
    files_.read(names_.at(name), out, n);
  }

 private:
  TensorDirectory files_;
  std::map<std::string, std::string> names_;  // to those in the files
};

/// A configuration and its tensors. A save that replaces the directory meanwhile replaces both, so a config that still
/// reads the same belongs to the tensors that were opened before.
std::pair<ModelConfig, ModelTensors> open_model(const std::filesystem::path& directory) {
  detail::recover(directory);
  for (;;) {
    const ModelConfig config = detail::read_config(directory / detail::config_file);
    ModelTensors tensors(directory);
    if (detail::read_config(directory / detail::config_file) == config) return {config, std::move(tensors)};
  }
}

/// Throws unless the sizes that decide how much memory a model takes are those of stored tensors, so that no
/// config.json alone can ask for memory.
void check_sizes(const ModelConfig& config, const ModelTensors& tensors, const std::filesystem::path& directory) {
  const auto expect = [&](const std::string& name, const std::vector<Index>& shape) {
    require<CheckpointError>(tensors.contains(name), directory.string(), ": expected a tensor ", name, ", found none");
    require<CheckpointError>(tensors.info(name).shape == shape, directory.string(), ": tensor ", name,
                             ": expected shape ", to_string(shape), " by the configuration, found ",
                             to_string(tensors.info(name).shape));
  };
  require<CheckpointError>(static_cast<Index>(tensors.names().size()) > config.num_layers, directory.string(),
                           ": expected tensors of ", config.num_layers, " layers, found ", tensors.names().size(),
                           " tensors");
  const std::string last = "model.layers." + std::to_string(config.num_layers - 1) + ".";
  expect("model.embed_tokens.weight", {config.vocab_size, config.hidden_size});
  expect(last + "mlp.gate_proj.weight", {*config.intermediate_size, config.hidden_size});
  for (Index i = 0; i < config.num_layers; ++i) {
    const std::string prefix = "model.layers." + std::to_string(i) + ".seq_modeling_block.";
    sequence::with_config<float>(config.block(i), [&](auto, const auto& layer) {
      if constexpr (std::is_same_v<decltype(layer), const TttConfig&>) {
        if (layer.parts.token_scale) expect(prefix + "learnable_token_idx", {layer.mini_batch_size});
        if (layer.share_qk) expect(prefix + "conv_q.weight", {layer.hidden_size, 1, layer.conv_kernel});
      } else if constexpr (std::is_same_v<decltype(layer), const AttentionConfig&>) {
        expect(prefix + "q_proj.weight", {layer.num_heads * *layer.head_dim, layer.hidden_size});
      }
    });
  }
  if (config.pre_conv) expect(last + "conv.conv.weight", {config.hidden_size, 1, config.conv_kernel});
}

}  // namespace

template <class T>
void detail::write_model_files(const BasicModel<T>& model, const std::filesystem::path& directory, Dtype stored) {
  write_config(directory / config_file, model.config(), stored);
  write_safetensors(directory / model_file, tensor_sources(model.params(), stored), {{"format", "pt"}});
}

template <class T>
BasicModel<T> load(const std::filesystem::path& directory, WeightFormat format) {
  const auto [config, tensors] = open_model(directory);
  check_sizes(config, tensors, directory);
  auto params = ModelParams<T>::zeros(config);
  detail::read_tensors(tensors, directory, "", params, format);

  std::set<std::string> known;
  ModelParams<T>::visit([&](const std::string& name, const auto&) { known.insert(name); }, params);
  for (const auto& [name, stored_name] : tensors.names()) {
    if (known.count(name) > 0) continue;
    require<CheckpointError>(config.tie_word_embeddings && name == "lm_head.weight", directory.string(), ": tensor ",
                             stored_name, ": expected no tensor of this name");
    // Some writers store the tied head as well; then it must be the embedding.
    Tensor<T, 2> head(params.embed_tokens.shape());
    require<CheckpointError>(tensors.info(name).size() == head.size(), directory.string(),
                             ": tensor lm_head.weight: ", "expected ", head.size(), " elements, found ",
                             tensors.info(name).size());
    tensors.read(name, head.data(), head.size());
    const Tensor<T, 2> embedding = params.embed_tokens.tensor();
    require<CheckpointError>(std::equal(embedding.begin(), embedding.end(), Dense<T>(head, format).tensor().begin()),
                             directory.string(),
                             ": tensor lm_head.weight: expected the embedding, as the config ties them, found another");
  }
  return BasicModel<T>(config, std::move(params));
}

template <class T>
void save(const BasicModel<T>& model, const std::filesystem::path& directory, Dtype stored) {
  detail::require_float_format(stored, directory.string());
  detail::AtomicDirectory out(directory);
  detail::write_model_files(model, out.path(), stored);
  out.commit();
}

template TTT_EXPORT BasicModel<float> load(const std::filesystem::path&, WeightFormat);
template TTT_EXPORT BasicModel<double> load(const std::filesystem::path&, WeightFormat);
template TTT_EXPORT void save(const BasicModel<float>&, const std::filesystem::path&, Dtype);
template TTT_EXPORT void save(const BasicModel<double>&, const std::filesystem::path&, Dtype);
template void detail::write_model_files(const BasicModel<float>&, const std::filesystem::path&, Dtype);
template void detail::write_model_files(const BasicModel<double>&, const std::filesystem::path&, Dtype);

}  // namespace ttt
