// SPDX-License-Identifier: MIT
// Golden files of whole models: a checkpoint directory, and beside it what the model must compute.
#include <algorithm>

#include "reference/golden/file.hpp"
#include "reference/golden/targets.hpp"
#include "ttt/checkpoint.hpp"

namespace ttt::support {

namespace {

/// NAME.expected.safetensors stands beside the directory NAME.
std::filesystem::path checkpoint_of(const GoldenFile& file) {
  return file.path().parent_path() / file.path().stem().stem();
}

template <class T>
void compare_forward(GoldenFile& file, const BasicModel<T>& model, const Tensor<Token, 2>& tokens) {
  const Index batch = tokens.extent(0), time = tokens.extent(1);
  std::vector<Tensor<T, 3>> hidden;
  ModelOptions<T> options;
  options.hidden = &hidden;
  Tensor<T, 3> logits({batch, time, model.config().vocab_size});
  ModelState<T> state = model.start(batch);
  Workspace work;
  model.forward(tokens, state, work, logits, options);
  file.compare("logits", Quantity::value, logits);
  for (Index i = 0; i < model.config().num_layers; ++i) {
    file.compare_if_given("hidden." + std::to_string(i), Quantity::value, hidden[static_cast<std::size_t>(i)]);
  }
  file.compare_if_given("hidden.final_norm", Quantity::value, hidden.back());
}

template <class T>
void compare_loss(GoldenFile& file, const BasicModel<T>& model, const Tensor<Token, 2>& tokens) {
  const Tensor<Token, 2> targets = next_labels(file.input<Token, 2>("labels"));
  auto gradient = ModelParams<T>::zeros(model.config());
  ModelState<T> state = model.start(tokens.extent(0)), d_state = model.zeros(tokens.extent(0));
  ModelTape<T> tape;
  Workspace work;
  Tensor<double, 1> loss({1});
  loss[0] = model.forward_loss(tokens, targets, state, tape, work, gradient);
  file.compare("loss", Quantity::value, loss);
  if (!file.description().value("has_grad", false)) return;
  model.backward(tape, d_state, work, gradient);
  model.start_vjp(d_state, work, gradient);
  file.compare_if_given("grad.", Quantity::gradient, gradient);
}

/// The prompt at once, then token by token, always the most likely one.
template <class T>
void compare_generation(GoldenFile& file, const BasicModel<T>& model, const Tensor<Token, 2>& tokens) {
  const Tensor<Token, 2> expected = file.input<Token, 2>("gen_tokens");
  const Index batch = expected.extent(0), steps = expected.extent(1), prompt = file.description().at("prompt_len");
  const Index V = model.config().vocab_size;
  Tensor<T, 3> all({batch, steps, V});
  Tensor<T, 2> logits({batch, V});
  Tensor<Token, 2> next({batch, 1});
  ModelState<T> state = model.start(batch);
  Workspace work;
  model.forward_last(tokens.view().columns(0, prompt), state, work, logits);
  for (Index step = 0; step < steps; ++step) {
    for (Index i = 0; i < batch; ++i) {
      const View<T, 1> row = logits[i];
      copy<T, 1>(row, all[i][step]);
      next[i][0] = static_cast<Token>(std::max_element(row.data(), row.data() + V) - row.data());
      if (next[i][0] == expected[i][step]) continue;
      file.fail("gen_tokens: sequence " + std::to_string(i) + ", step " + std::to_string(step) + ": expected " +
                std::to_string(expected[i][step]) + ", found " + std::to_string(next[i][0]));
      return;  // what follows another token is another text
    }
    if (step + 1 < steps) model.forward_last(next, state, work, logits);
  }
  file.compare("gen_logits", Quantity::value, all);
}

template <class T>
void check_model_of(GoldenFile& file) {
  const BasicModel<T> model = load<T>(checkpoint_of(file));
  if (model.config() != resolved(file.config())) {
    file.fail("config.json: expected the configuration of the metadata, found another");
  }
  const Tensor<Token, 2> tokens = file.input<Token, 2>("input_ids");
  compare_forward(file, model, tokens);
  compare_loss(file, model, tokens);
  compare_generation(file, model, tokens);
}

}  // namespace

void check_model(GoldenFile& file) {
  file.precision() == Precision::f32 ? check_model_of<float>(file) : check_model_of<double>(file);
}

}  // namespace ttt::support
