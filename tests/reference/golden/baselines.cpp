// SPDX-License-Identifier: MIT
// Golden files of sequence layers other than TTT, under the names of their reference implementations.
#include <cstring>
#include <functional>
#include <map>

#include "reference/golden/file.hpp"
#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {

namespace {

/// The configuration of the metadata. A key that we do not know could change what is computed.
template <class Config>
Config read_layer_config(nlohmann::json object) {
  Config config;
  Config::visit(
      [&]<class Field>(const char* key, Field& field) {
        if (!object.contains(key)) return;
        if constexpr (requires { field.value(); }) {
          field = object[key].template get<typename Field::value_type>();
        } else {
          field = object[key].template get<Field>();
        }
        object.erase(key);
      },
      config);
  require(object.empty(), "config: expected known keys, found ", object.dump());
  return config;
}

/// key_cache and value_cache, [batch, G, time, D].
template <class T>
void compare_state(GoldenFile& file, const AttentionConfig& config, const State<AttentionStream<T>>& state) {
  const Index G = *config.num_key_value_heads, D = *config.head_dim, time = state.streams.front().position;
  Tensor<T, 4> keys({state.batch(), G, time, D}), values(keys.shape());
  for (Index i = 0; i < state.batch(); ++i) {
    const AttentionStream<T>& stream = state.streams[static_cast<std::size_t>(i)];
    for (Index t = 0; t < time; ++t) {
      const AttentionPage<T>& page = stream.page(t / AttentionPage<T>::size);
      const Index j = t % AttentionPage<T>::size;
      for (Index g = 0; g < G; ++g) {
        for (Index d = 0; d < D; ++d) {
          keys[i][g][t][d] = page.keys[g][j / AttentionPage<T>::width][d][j % AttentionPage<T>::width];
          values[i][g][t][d] = page.values[g][j][d];
        }
      }
    }
  }
  file.compare("state.key_cache", Quantity::value, keys);
  file.compare("state.value_cache", Quantity::value, values);
}

template <SequenceLayer S>
void check_baseline_of(GoldenFile& file) {
  using T = typename S::Scalar;
  const auto config = S::resolved(read_layer_config<typename S::Config>(file.layer_config()));
  auto params = S::Params::zeros(config);
  file.read_params("param.", params);
  const Layer<S> layer(config, std::move(params));
  const Tensor<T, 3> x = file.input<T, 3>("hidden_states");
  const Index batch = x.extent(0), time = x.extent(1);
  Tensor<T, 3> y(x.shape()), dx(x.shape());
  auto state = layer.start(batch);
  LayerTape<S> tape;
  Workspace work;
  layer.forward(x, state, tape, work, y);
  file.compare("out", Quantity::value, y);
  compare_state(file, config, state);

  auto stepwise = layer.start(batch);
  const Tensor<T, 3> in_steps = forward_in_pieces(layer, x, stepwise, Cuts(static_cast<std::size_t>(time), 1));
  file.compare("stepwise_out", Quantity::value, in_steps);
  const auto same = same_bits(in_steps, y);
  if (!same) file.fail(std::string("stepwise_out: expected the bits of the whole sequence, found ") + same.message());

  auto gradient = S::Params::zeros(config);
  auto d_state = layer.zeros(batch);
  layer.backward(tape, file.input<T, 3>("grad_out"), d_state, work, dx, gradient);
  layer.start_vjp(d_state, work, gradient);
  file.compare("grad.hidden_states", Quantity::gradient, dx);
  file.compare_if_given("grad.", Quantity::gradient, gradient);
}

template <template <class> class S>
void check_in_precision(GoldenFile& file) {
  file.precision() == Precision::f32 ? check_baseline_of<S<float>>(file) : check_baseline_of<S<double>>(file);
}

const std::map<std::string, void (*)(GoldenFile&)> baselines{{"attention", check_in_precision<sequence::Attention>}};

}  // namespace

bool has_baseline(const std::string& layer) { return baselines.count(layer) > 0; }

void check_baseline(GoldenFile& file) { baselines.at(file.description().at("layer"))(file); }

}  // namespace ttt::support
