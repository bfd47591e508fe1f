// SPDX-License-Identifier: MIT
// Golden files of one residual block, run by the same functions as the blocks of a model.
#include "reference/golden/layers.hpp"
#include "ttt/model/params.hpp"

namespace ttt::support {

namespace {

/// One block with a batch of streams.
template <InnerModel M>
class Block {
 public:
  using T = typename M::Scalar;

  Block(GoldenFile& file, Index batch) : config_(single(file.config())), layer_config_(config_.layer()) {
    params_ = zero_params();
    file.read_params("param.", params_);
    rotary_ = detail::rotary_table<T>(layer_config_);
    streams_ = zero_streams(batch);
    for (BlockState<T>& stream : streams_) detail::start<M>(layer(), std::get<StreamState<M>>(stream.layer));
  }

  BlockParams<T> zero_params() const { return std::move(ModelParams<T>::zeros(config_).layers.front()); }

  std::vector<BlockState<T>> zero_streams(Index batch) const {
    std::vector<BlockState<T>> streams(static_cast<std::size_t>(batch));
    for (BlockState<T>& stream : streams) {
      stream.layer = StreamState<M>::zeros(layer_config_);
      if (config_.pre_conv) stream.conv_tail = Tensor<T, 2>({config_.conv_kernel - 1, config_.hidden_size});
    }
    return streams;
  }

  /// X, rows of all streams, becomes the output.
  void forward(View<T> X) {
    std::vector<BlockState<T>*> pointers = pointers_to(streams_);
    const auto streams = view(pointers);
    a_ = detail::BlockActivations<T>::take(tape_, config_, streams.size(), X.rows());
    detail::block_forward(block(), a_, streams, X, work_, [&](View<const T> in, View<T> out) {
      Frame frame(work_);
      const Streams<M> layer_streams = detail::layer_streams<M>(frame, streams);
      record_ = detail::LayerRecord<M>::take(tape_, layer_config_, layer_streams, in, 1.0);
      detail::forward<M>(layer(), record_.a, layer_streams, {}, 0, out, work_,
                         record_.saver(layer_config_.mini_batch_size));
    });
  }

  /// dX, the cotangent of the output, becomes that of the input.
  BlockParams<T> backward(View<T> dX) {
    BlockParams<T> gradient = zero_params();
    LayerParams<M>& d_layer = std::get<LayerParams<M>>(gradient.seq_modeling_block);
    std::vector<BlockState<T>> d_states = zero_streams(static_cast<Index>(streams_.size()));
    std::vector<BlockState<T>*> pointers = pointers_to(d_states);
    Frame frame(tape_memory_);
    const Streams<M> d_streams = detail::layer_streams<M>(frame, view(pointers));
    detail::block_backward(block(), a_, view(pointers), dX, gradient, work_, [&](View<const T> dy, View<T> dx) {
      detail::backward<M>(layer(), record_, dy, d_streams, dx, d_layer, work_);
    });
    detail::start_vjp<M>(layer(), d_streams, d_layer);
    return gradient;
  }

  void compare_state(GoldenFile& file) const {
    std::vector<const StreamState<M>*> layers;
    std::vector<const Tensor<T, 2>*> tails;
    for (const BlockState<T>& stream : streams_) {
      layers.push_back(&std::get<StreamState<M>>(stream.layer));
      tails.push_back(&stream.conv_tail);
    }
    support::compare_state<M>(file, "state.", layers);
    if (config_.pre_conv) file.compare_if_given("state.pre_conv", tails);
  }

 private:
  static ModelConfig single(ModelConfig config) {
    config.num_layers = 1;
    return resolved(config);
  }

  static std::vector<BlockState<T>*> pointers_to(std::vector<BlockState<T>>& streams) {
    std::vector<BlockState<T>*> pointers;
    for (BlockState<T>& stream : streams) pointers.push_back(&stream);
    return pointers;
  }

  static detail::BlockStreams<T> view(std::vector<BlockState<T>*>& pointers) {
    return {pointers.data(), {static_cast<Index>(pointers.size())}};
  }

  detail::BlockRef<T> block() const { return {config_, layer_config_, params_, rotary_}; }
  detail::LayerRef<M> layer() const { return block().template layer_of<M>(); }

  ModelConfig config_;
  LayerConfig layer_config_;
  BlockParams<T> params_;
  Tensor<T, 2> rotary_;
  std::vector<BlockState<T>> streams_;
  Workspace tape_memory_, work_;
  Frame tape_{tape_memory_};  // holds a_ and record_
  detail::BlockActivations<T> a_;
  detail::LayerRecord<M> record_;
};

template <InnerModel M>
void check_block_of(GoldenFile& file) {
  using T = typename M::Scalar;
  Tensor<T, 3> X = file.input<T, 3>("hidden_states");
  const auto rows = [](Tensor<T, 3>& t) { return View<T>(t.data(), {t.extent(0) * t.extent(1), t.extent(2)}); };
  Block<M> block(file, X.extent(0));
  block.forward(rows(X));
  file.compare("out", Quantity::value, X);
  block.compare_state(file);
  if (!file.contains("grad_out")) return;

  Tensor<T, 3> dX = file.input<T, 3>("grad_out");
  const BlockParams<T> gradient = block.backward(rows(dX));
  file.compare("grad.hidden_states", Quantity::gradient, dX);
  file.compare_if_given("grad.", Quantity::gradient, gradient);
}

}  // namespace

void check_block(GoldenFile& file) {
  with_inner_model(file, [&]<class M>() { check_block_of<M>(file); });
}

}  // namespace ttt::support
