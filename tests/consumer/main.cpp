// SPDX-License-Identifier: MIT
// Runs layers and models from a fixed seed and prints checksums of every byte they computed: forward passes, streaming,
// gradients and updates.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "ttt/ttt.hpp"

namespace {

/// FNV-1a of all that was added.
class Checksum {
 public:
  void add(const void* data, std::size_t size) {
    std::vector<unsigned char> bytes(size);
    std::memcpy(bytes.data(), data, size);
    for (const unsigned char byte : bytes) hash_ = (hash_ ^ byte) * 0x100000001b3;
  }
  void add(double number) { add(&number, sizeof number); }
  template <class T, int Rank>
  void add(const ttt::Tensor<T, Rank>& t) {
    add(t.data(), static_cast<std::size_t>(t.size()) * sizeof(T));
  }
  template <class T>
  void add(const ttt::Dense<T>& W) {
    add(W.tensor());
  }
  /// Parameters, gradients, the state of one stream.
  template <class S>
  requires requires(const S& s) {
    S::visit([](const auto&, const auto&) {}, s);
  }
  void add(const S& all) {
    S::visit(
        [&](const auto&, const auto& t) {
          if constexpr (requires { t.size(); }) add(t);  // not for positions
        },
        all);
  }

  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

template <class... Parts>
void print(const char* who, const char* what, const Parts&... parts) {
  Checksum sum;
  (sum.add(parts), ...);
  std::printf("%s %s %016llx\n", who, what, static_cast<unsigned long long>(sum.value()));
}

template <class Layer>
void run_layer(const char* name, const typename Layer::Config& config, ttt::Index time) {
  using T = typename Layer::Scalar;
  ttt::Rng rng(42);
  Layer layer(config, rng);
  const ttt::Tensor<T, 3> x = ttt::normal<T, 3>({1, time, 64}, rng);
  print(name, "forward", layer(x));

  ttt::Workspace work;
  auto state = layer.start(1);
  ttt::Tensor<T, 3> y(x.shape());
  for (ttt::Index t = 0; t < time; ++t) {
    layer.forward({x[0][t].data(), {1, 1, 64}}, state, work, {y[0][t].data(), {1, 1, 64}});
  }
  print(name, "streaming", y, state.streams[0]);

  typename Layer::Tape tape;
  auto first = layer.start(1), d_state = layer.zeros(1);
  auto gradient = Layer::Params::zeros(config);
  ttt::Tensor<T, 3> dx(x.shape());
  layer.forward(x, first, tape, work, y);
  layer.backward(tape, y, d_state, work, dx, gradient);
  layer.start_vjp(d_state, work, gradient);
  print(name, "gradients", dx, gradient);

  const double norm = ttt::global_norm(gradient);
  ttt::AdamW<typename Layer::Params> optimizer(layer.params());
  optimizer.step(layer.params(), gradient, 1e-3, ttt::clip_factor(norm, 1.0));
  print(name, "update", norm, layer.params(), optimizer.exp_avg, optimizer.exp_avg_sq);
}

void run_model(const char* name, ttt::SequenceType type, std::vector<ttt::SequenceConfig> blocks = {}) {
  ttt::Rng rng(43);
  ttt::Model fresh({.vocab_size = 256,
                    .hidden_size = 32,
                    .num_layers = 2,
                    .num_heads = 2,
                    .sequence_type = type,
                    .mini_batch_size = 8,
                    .share_qk = true,
                    .use_gate = true,
                    .pre_conv = true,
                    .blocks = std::move(blocks)},
                   rng);
  const std::vector<ttt::Token> text = ttt::bytes("The quick brown fox jumps over the lazy dog, and then sleeps.");
  ttt::TrainerConfig config = ttt::paper_recipe(type, 10);
  config.batch_size = 2;
  config.learning_rate.init_lr = 1e-3;  // at the first step too
  ttt::Trainer<float> trainer(std::move(fresh), ttt::TextWindows(text, 20, 1), config);
  const ttt::StepReport report = trainer.step();
  print(name, "step", report.loss, report.gradient_norm, trainer.model().params());
  print(name, "logits", trainer.model()({text.data(), {1, static_cast<ttt::Index>(text.size())}}));
}

/// An exception is caught by its type on this side of the library's border.
bool refuses_bad_configurations() {
  try {
    ttt::validate(ttt::TttConfig{.hidden_size = -1});
  } catch (const ttt::ConfigError&) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  using enum ttt::SequenceType;
  const ttt::TttConfig ttt_config{.hidden_size = 64, .num_heads = 2, .mini_batch_size = 8};
  run_layer<ttt::TttLinear<float>>("TttLinear<float>", ttt_config, 50);
  run_layer<ttt::TttLinear<double>>("TttLinear<double>", ttt_config, 50);
  run_layer<ttt::TttMlp<float>>("TttMlp<float>", ttt_config, 50);
  run_layer<ttt::TttMlp<double>>("TttMlp<double>", ttt_config, 50);
  run_model("Model of TTT-Linear", linear);
  run_model("Model of TTT-MLP", mlp);
  const ttt::AttentionConfig attention_config{.hidden_size = 64, .num_heads = 4, .num_key_value_heads = 2};
  run_layer<ttt::Attention<float>>("Attention<float>", attention_config, 150);
  run_layer<ttt::Attention<double>>("Attention<double>", attention_config, 150);
  run_model("Hybrid", linear,
            {linear, ttt::SequenceConfig::with<attention>({.hidden_size = 32, .num_heads = 2, .window = 12})});
  return refuses_bad_configurations() ? 0 : 1;
}
