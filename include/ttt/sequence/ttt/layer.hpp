// SPDX-License-Identifier: MIT
// The layer: TttLinear, TttMlp, or Layer<M> with an inner model of your own.
#pragma once

#include <algorithm>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ttt/inner/linear.hpp"
#include "ttt/inner/mlp.hpp"
#include "ttt/sequence/ttt/backward.hpp"

namespace ttt {

/// What `backward` needs of one forward pass: activations, and the inner weights at some mini-batches. Reusable: from
/// the second pass of the same shape on it allocates nothing.
template <InnerModel M>
class LayerTape {
 public:
  LayerTape() = default;
  LayerTape(const LayerTape&) = delete;
  LayerTape& operator=(const LayerTape&) = delete;

  Index bytes() const { return memory_.bytes(); }
  /// Of these, what the inner weights take.
  Index inner_weight_bytes() const { return record_.inner_weight_bytes(); }

 private:
  template <InnerModel>
  friend class Layer;

  Workspace memory_;
  std::optional<Frame> frame_;  // stands on memory_
  detail::LayerRecord<M> record_;
  bool complete_ = false;  // a forward pass came to its end
};

/// A TTT layer with the inner model M. Const in use: any number of threads may call one layer at a time, each with a
/// state and a workspace of its own. All tensors are [batch, time, hidden_size], row-major.
template <InnerModel M>
class Layer {
 public:
  using Model = M;
  using T = typename M::Scalar;
  using Params = LayerParams<M>;
  using State = LayerState<M>;
  using Tape = LayerTape<M>;

  /// A fresh layer. Throws ConfigError.
  Layer(LayerConfig config, Rng& rng, double initializer_range = 0.02);
  /// A layer with these parameters. Throws ConfigError; ShapeError naming the tensor.
  Layer(LayerConfig config, Params params);
  Layer(Layer&&) = default;
  Layer& operator=(Layer&&) = default;

  Layer clone() const { return Layer(config_, Params(params_)); }

  /// As given, with base_lr filled in.
  const LayerConfig& config() const { return config_; }
  const Params& params() const { return params_; }
  Params& params() { return params_; }

  /// Streams at position 0: their inner weights are the learned initial ones.
  State start(Index batch) const;
  /// Puts one stream back to position 0.
  void reset(StreamState<M>& stream) const;
  /// A state of zeros, as a cotangent to start a backward pass with.
  State zeros(Index batch) const;

  /// y = the layer's output for x, which continues every stream of `state`. Any length; the same bits however a
  /// sequence is cut into calls, whatever the batch, and with any number of threads. Throws ShapeError before anything
  /// changes.
  void forward(View<const T, 3> x, State& state, Workspace& work, View<T, 3> y,
               const ForwardOptions<T>& options = {}) const;

  /// One call for a whole sequence, from a fresh state.
  Tensor<T, 3> operator()(View<const T, 3> x) const;

  /// As `forward`, and keeps in `tape` what `backward` needs.
  void forward(View<const T, 3> x, State& state, Tape& tape, Workspace& work, View<T, 3> y,
               const ForwardOptions<T>& options = {}) const;

  /// The adjoint of the forward pass on `tape`. d_state holds the cotangent of the state after it, and becomes that of
  /// the state before it: hand it on to the piece of text before, or to `start_vjp`. Writes dx, which may be
  /// dy; adds to d_params.
  void backward(const Tape& tape, View<const T, 3> dy, State& d_state, Workspace& work, View<T, 3> dx,
                Params& d_params) const;

  /// The adjoint of `start`: adds the streams' cotangents to those of the initial inner weights. d_state is used up.
  void start_vjp(State& d_state, Workspace& work, Params& d_params) const;

 private:
  detail::LayerRef<M> ref() const { return {config_, params_, rotary_}; }
  void check(const View<const T, 3>& x, const State& state, const View<const T, 3>& y) const;
  void prepare(const View<const T, 3>& x, const ForwardOptions<T>& options) const;

  LayerConfig config_;
  Params params_;
  Tensor<T, 2> rotary_;
};

template <class T>
using TttLinear = Layer<LinearModel<T>>;
template <class T>
using TttMlp = Layer<MlpModel<T>>;

namespace detail {

/// Throws ConfigError unless the inner model's maps fit together and into a head.
template <InnerModel M>
void check_model(Index head_dim) {
  const auto shapes = M::shapes(head_dim);
  Index width = head_dim;
  for (const AffineShape& shape : shapes) {
    require<ConfigError>(shape.in == width && shape.out > 0, "inner model: expected a map of input width ", width,
                         ", found ", shape.in, " to ", shape.out);
    width = shape.out;
  }
  require<ConfigError>(width == head_dim, "inner model: expected a last map of output width ", head_dim, ", found ",
                       width);
}

template <InnerModel M>
LayerConfig resolved(LayerConfig config) {
  validate(config);
  check_model<M>(config.head_dim());
  if (!config.base_lr) config.base_lr = M::default_base_lr;
  return config;
}

template <class T>
Tensor<T, 2> rotary_table(const LayerConfig& config) {
  if (!config.ablation.rotary) return {};
  return ttt::rotary_table<T>(config.mini_batch_size, config.head_dim(), config.rope_theta);
}

/// Throws ShapeError unless the stream is one of a layer of this configuration.
template <InnerModel M>
void check_stream(const LayerConfig& config, const StreamState<M>& stream) {
  const Shape<3> rows{config.num_heads, config.mini_batch_size, config.head_dim()};
  const Shape<2> tail{config.share_qk ? config.conv_kernel - 1 : 0, config.share_qk ? config.hidden_size : 0};
  require<ShapeError>(stream.maps[0].X.shape() == rows && stream.conv_tail.shape() == tail,
                      "expected a state of this layer, with keys ", text(rows), " and convolution tail ", text(tail),
                      ", found ", text(stream.maps[0].X.shape()), " and ", text(stream.conv_tail.shape()));
}

template <InnerModel M>
void start(const LayerRef<M>& layer, StreamState<M>& stream) {
  using T = typename M::Scalar;
  stream.position = 0;
  StreamState<M>::visit([](const std::string&, auto& t) { std::fill(t.begin(), t.end(), T(0)); }, stream);
  if (!layer.config.ablation.learned_w0) return;
  for (std::size_t i = 0; i < M::depth; ++i) {
    std::copy(layer.params.w0.maps[i].W.begin(), layer.params.w0.maps[i].W.end(), stream.maps[i].W.begin());
    std::copy(layer.params.w0.maps[i].b.begin(), layer.params.w0.maps[i].b.end(), stream.maps[i].b.begin());
  }
}

/// Adds all streams' weight cotangents to `d_params`, in a binary tree over streams.
template <InnerModel M>
void start_vjp(const LayerRef<M>& layer, Streams<M> d_streams, LayerParams<M>& d_params) {
  using T = typename M::Scalar;
  if (!layer.config.ablation.learned_w0) return;
  const auto row = [](Tensor<T, 3>& t) { return View<T>(t.data(), {1, t.size()}); };
  for (std::size_t i = 0; i < M::depth; ++i) {
    for (Tensor<T, 3> StreamState<M>::Map::*part : {&StreamState<M>::Map::W, &StreamState<M>::Map::b}) {
      for (Index step = 1; step < d_streams.size(); step *= 2) {
        for (Index s = 0; s + step < d_streams.size(); s += 2 * step) {
          ops::add(row(d_streams[s + step]->maps[i].*part), row(d_streams[s]->maps[i].*part));
        }
      }
    }
    ops::add(row(d_streams[0]->maps[i].W), row(d_params.w0.maps[i].W));
    ops::add(row(d_streams[0]->maps[i].b), row(d_params.w0.maps[i].b));
  }
}

template <InnerModel M>
Streams<M> pointers(Frame& frame, LayerState<M>& state) {
  const Streams<M> all = frame.take<StreamState<M>*, 1>({state.batch()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &state.streams[static_cast<std::size_t>(i)];
  return all;
}

/// Rows that a forward pass works on at a time: enough to fill the machine, few enough to stay in cache.
inline constexpr Index rows_at_a_time = 512;

/// x as rows, stream after stream: itself where it lies so in memory, otherwise a copy.
template <class T>
View<const T> as_rows(Frame& frame, View<const T, 3> x) {
  const Shape<2> shape{x.extent(0) * x.extent(1), x.extent(2)};
  if (x.contiguous()) return {x.data(), shape};
  const View<T, 3> rows = frame.take<T, 3>(x.shape());
  copy(x, rows);
  return {rows.data(), shape};
}

/// Tokens t ... t + n - 1 of every stream.
template <class T>
View<T, 3> time_slice(View<T, 3> x, Index t, Index n) {
  return {x.data() + t * x.stride(1), {x.extent(0), n, x.extent(2)}, {x.stride(0), x.stride(1), 1}};
}

}  // namespace detail

template <InnerModel M>
Layer<M>::Layer(LayerConfig config, Rng& rng, double initializer_range)
    : config_(detail::resolved<M>(config)),
      params_(Params::random(config_, initializer_range, rng)),
      rotary_(detail::rotary_table<T>(config_)) {}

template <InnerModel M>
Layer<M>::Layer(LayerConfig config, Params params)
    : config_(detail::resolved<M>(config)), params_(std::move(params)), rotary_(detail::rotary_table<T>(config_)) {
  detail::check_shapes(Params::zeros(config_), params_, "layer parameters");
}

template <InnerModel M>
typename Layer<M>::State Layer<M>::zeros(Index batch) const {
  require<ShapeError>(batch >= 0, "expected a batch of at least 0 streams, found ", batch);
  std::vector<StreamState<M>> streams;
  for (Index i = 0; i < batch; ++i) streams.push_back(StreamState<M>::zeros(config_));
  return State(std::move(streams));
}

template <InnerModel M>
typename Layer<M>::State Layer<M>::start(Index batch) const {
  State state = zeros(batch);
  for (StreamState<M>& stream : state.streams) reset(stream);
  return state;
}

template <InnerModel M>
void Layer<M>::reset(StreamState<M>& stream) const {
  detail::check_stream<M>(config_, stream);
  detail::start(ref(), stream);
}

template <InnerModel M>
void Layer<M>::check(const View<const T, 3>& x, const State& state, const View<const T, 3>& y) const {
  require<ShapeError>(x.extent(2) == config_.hidden_size, "expected an input of hidden_size ", config_.hidden_size,
                      ", found shape ", detail::text(x.shape()));
  require<ShapeError>(x.extent(0) == state.batch(), "expected as many sequences as the state has streams, ",
                      state.batch(), ", found shape ", detail::text(x.shape()));
  require<ShapeError>(y.shape() == x.shape(), "expected an output of shape ", detail::text(x.shape()), ", found ",
                      detail::text(y.shape()));
  for (const StreamState<M>& stream : state.streams) detail::check_stream<M>(config_, stream);
}

template <InnerModel M>
void Layer<M>::prepare(const View<const T, 3>& x, const ForwardOptions<T>& options) const {
  detail::check_inner_lr(options.inner_lr);
  if (options.losses != nullptr) options.losses->resize({x.extent(0), config_.num_heads, x.extent(1)});
}

template <InnerModel M>
void Layer<M>::forward(View<const T, 3> x, State& state, Workspace& work, View<T, 3> y,
                       const ForwardOptions<T>& options) const {
  check(x, state, y);
  prepare(x, options);
  const Index batch = x.extent(0), time = x.extent(1);
  if (x.size() == 0) return;
  const FloatEnvironment environment;
  const Index piece = std::max<Index>(1, detail::rows_at_a_time / batch);
  for (Index t = 0; t < time; t += piece) {
    Frame frame(work);
    const Index n = std::min(piece, time - t);
    const View<const T> rows = detail::as_rows<T>(frame, detail::time_slice(x, t, n));
    const View<T> out = frame.take<T, 2>({batch * n, config_.hidden_size});
    const auto a = detail::LayerActivations<T>::take(frame, config_, batch, rows);
    detail::forward(ref(), a, detail::pointers(frame, state), options, t, out, work,
                    [](Index, Index, Index, const HeadState<M>&) {});
    copy(View<const T, 3>(out.data(), {batch, n, config_.hidden_size}), detail::time_slice(y, t, n));
  }
}

template <InnerModel M>
Tensor<typename M::Scalar, 3> Layer<M>::operator()(View<const T, 3> x) const {
  Tensor<T, 3> y(x.shape());
  State state = start(x.extent(0));
  Workspace work;
  forward(x, state, work, y);
  return y;
}

template <InnerModel M>
void Layer<M>::forward(View<const T, 3> x, State& state, Tape& tape, Workspace& work, View<T, 3> y,
                       const ForwardOptions<T>& options) const {
  check(x, state, y);
  require<ShapeError>(x.size() > 0, "expected at least one token, found shape ", detail::text(x.shape()));
  prepare(x, options);
  const FloatEnvironment environment;
  tape.complete_ = false;
  Frame& frame = tape.frame_.emplace(tape.memory_);
  const View<T, 3> copy_of_x = frame.take<T, 3>(x.shape());
  copy(x, copy_of_x);
  const View<T> rows(copy_of_x.data(), {x.extent(0) * x.extent(1), x.extent(2)});
  const Streams<M> streams = detail::pointers(frame, state);
  tape.record_ = detail::LayerRecord<M>::take(frame, config_, streams, rows, options.inner_lr);
  Frame out_frame(work);
  const View<T, 3> out = out_frame.take<T, 3>(x.shape());
  detail::forward(ref(), tape.record_.a, streams, options, 0, View<T>(out.data(), rows.shape()), work,
                  tape.record_.saver(config_.mini_batch_size));
  copy<T, 3>(out, y);
  tape.complete_ = true;
}

template <InnerModel M>
void Layer<M>::backward(const Tape& tape, View<const T, 3> dy, State& d_state, Workspace& work, View<T, 3> dx,
                        Params& d_params) const {
  check(dy, d_state, dx);
  detail::check_gradient(params_, d_params, "layer gradient");
  require<ShapeError>(tape.complete_, "expected the tape of a forward pass, found one without");
  const Index batch = tape.record_.positions.size(), time = tape.record_.a.x.rows() / batch;
  require<ShapeError>(dy.extent(0) == batch && dy.extent(1) == time, "expected gradients of the tape's ", batch,
                      " sequences of ", time, " tokens, found shape ", detail::text(dy.shape()));
  const FloatEnvironment environment;
  Frame frame(work);
  const View<const T> rows = detail::as_rows<T>(frame, dy);
  const View<T> d_rows = frame.zeros<T, 2>(rows.shape());  // not dx, which may be dy
  detail::backward<M>(ref(), tape.record_, rows, detail::pointers(frame, d_state), d_rows, d_params, work);
  copy<T, 3>(View<const T, 3>(d_rows.data(), dx.shape()), dx);
}

template <InnerModel M>
void Layer<M>::start_vjp(State& d_state, Workspace& work, Params& d_params) const {
  for (const StreamState<M>& stream : d_state.streams) detail::check_stream<M>(config_, stream);
  detail::check_gradient(params_, d_params, "layer gradient");
  if (d_state.batch() == 0) return;
  const FloatEnvironment environment;
  Frame frame(work);
  detail::start_vjp<M>(ref(), detail::pointers(frame, d_state), d_params);
}

extern template class TTT_EXPORT Layer<LinearModel<float>>;
extern template class TTT_EXPORT Layer<LinearModel<double>>;
extern template class TTT_EXPORT Layer<MlpModel<float>>;
extern template class TTT_EXPORT Layer<MlpModel<double>>;

}  // namespace ttt
