// SPDX-License-Identifier: MIT
// Golden files of one residual block, run by the same functions as the blocks of a model.
#include "model/block.hpp"
#include "reference/golden/layers.hpp"

namespace ttt::support {

namespace {

/// One block with a batch of streams.
template <InnerModel M>
class Block {
 public:
  using T = typename M::Scalar;

  Block(GoldenFile& file, Index batch, Index time)
      : config_(single(file.config())),
        layer_config_(config_.block(0)),
        rows_(tape_, batch, time),
        params_(zero_params()) {
    file.read_params("param.", params_);
    sequence::with_config<T>(layer_config_,
                             [&]<class S, std::size_t number>(sequence::At<S, number>, const auto& config) {
                               tables_.template emplace<number>(S::tables(config));
                             });
    streams_ = zero_streams();
    for (BlockStream<T>& stream : streams_) detail::start(block(), stream);
  }

  /// X, rows of all streams, becomes the output.
  void forward(View<T> X) {
    std::vector<BlockStream<T>*> pointers = pointers_to(streams_);
    record_ = detail::forward_recorded<T>(block(), rows_, view(pointers), {}, X, tape_, work_);
  }

  /// dX, the cotangent of the output, becomes that of the input.
  BlockParams<T> backward(View<T> dX) {
    BlockParams<T> gradient = zero_params();
    std::vector<BlockStream<T>> d_states = zero_streams();
    std::vector<BlockStream<T>*> pointers = pointers_to(d_states);
    detail::backward<T>(block(), record_, rows_, view(pointers), dX, gradient, work_);
    detail::start_vjp<T>(block(), view(pointers), gradient, work_);
    return gradient;
  }

  void compare_state(GoldenFile& file) const {
    std::vector<const TttStream<M>*> layers;
    std::vector<const Tensor<T, 2>*> tails;
    for (const BlockStream<T>& stream : streams_) {
      layers.push_back(&std::get<TttStream<M>>(stream.layer));
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

  BlockParams<T> zero_params() const { return std::move(ModelParams<T>::zeros(config_).layers.front()); }

  std::vector<BlockStream<T>> zero_streams() const {
    return std::vector<BlockStream<T>>(static_cast<std::size_t>(rows_.count()), detail::zero_stream(block()));
  }

  static std::vector<BlockStream<T>*> pointers_to(std::vector<BlockStream<T>>& streams) {
    std::vector<BlockStream<T>*> pointers;
    for (BlockStream<T>& stream : streams) pointers.push_back(&stream);
    return pointers;
  }

  static detail::BlockStreams<T> view(std::vector<BlockStream<T>*>& pointers) { return pointers; }

  detail::BlockRef<T> block() const { return {config_, layer_config_, params_, tables_}; }

  Workspace tape_memory_, work_;
  Frame tape_{tape_memory_};  // holds rows_ and record_
  ModelConfig config_;
  SequenceConfig layer_config_;
  Streams rows_;
  BlockParams<T> params_;
  sequence::AnyTables<T> tables_;
  std::vector<BlockStream<T>> streams_;
  detail::BlockRecord<T> record_;
};

template <InnerModel M>
void check_block_of(GoldenFile& file) {
  using T = typename M::Scalar;
  Tensor<T, 3> X = file.input<T, 3>("hidden_states");
  const auto rows = [](Tensor<T, 3>& t) { return View<T>(t.data(), {t.extent(0) * t.extent(1), t.extent(2)}); };
  Block<M> block(file, X.extent(0), X.extent(1));
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
