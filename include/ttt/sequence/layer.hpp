// SPDX-License-Identifier: MIT
// A sequence layer to be used by itself: its parameters, its states, forward, backward.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ttt/base/random.hpp"
#include "ttt/sequence/concept.hpp"

namespace ttt {

/// What `backward` needs of one forward pass. Reusable: from the second pass of the same shape on it allocates nothing.
template <SequenceLayer S>
class LayerTape {
 public:
  LayerTape() = default;
  LayerTape(const LayerTape&) = delete;
  LayerTape& operator=(const LayerTape&) = delete;

  Index bytes() const { return memory_.bytes(); }
  const typename S::Record& record() const { return record_; }

 private:
  template <SequenceLayer>
  friend class Layer;

  Workspace memory_;
  std::optional<Frame> frame_;  // stands on memory_
  Streams streams_;
  Index time_ = 0;                            // of the input, of which streams may have less
  std::optional<typename S::Config> config_;  // of the layer
  typename S::Record record_;
  bool complete_ = false;  // a forward pass came to its end
};

/// One sequence layer. Const in use: any number of threads may call one layer at a time, each with a state and a
/// workspace of its own. All tensors are [batch, time, hidden_size], row-major.
template <SequenceLayer S>
class Layer {
 public:
  using Sequence = S;
  using Scalar = typename S::Scalar;
  using Config = typename S::Config;
  using Params = typename S::Params;
  using Stream = typename S::Stream;
  using State = ttt::State<Stream>;
  using Tape = LayerTape<S>;
  using Options = ForwardOptions<Scalar>;

  /// A fresh layer. Throws ConfigError.
  Layer(const Config& config, Rng& rng, double initializer_range = 0.02);
  /// A layer with these parameters. Throws ConfigError; ShapeError naming the tensor.
  Layer(const Config& config, Params params);
  Layer(Layer&&) = default;
  Layer& operator=(Layer&&) = default;

  Layer clone() const { return Layer(config_, Params(params_)); }

  /// As given, with defaults filled in.
  const Config& config() const { return config_; }
  const Params& params() const { return params_; }
  Params& params() { return params_; }

  /// Streams at position 0.
  State start(Index batch) const;
  /// Puts one stream back to position 0.
  void reset(Stream& stream) const;
  /// A state of zeros, as a cotangent to start a backward pass with.
  State zeros(Index batch) const;

  /// y = the layer's output for x, which continues every stream of `state`. Any length; the same bits however a
  /// sequence is cut into calls, whatever the batch, and with any number of threads. With options.lengths, streams end
  /// earlier than x, and what y holds beyond stays as it is. Throws ShapeError, or ConfigError for options.inner_lr,
  /// before anything changes.
  void forward(View<const Scalar, 3> x, State& state, Workspace& work, View<Scalar, 3> y,
               const Options& options = {}) const;

  /// One call for a whole sequence, from a fresh state.
  Tensor<Scalar, 3> operator()(View<const Scalar, 3> x) const;

  /// As `forward`, and keeps in `tape` what `backward` needs.
  void forward(View<const Scalar, 3> x, State& state, Tape& tape, Workspace& work, View<Scalar, 3> y,
               const Options& options = {}) const;

  /// The adjoint of the forward pass on `tape`. d_state holds the cotangent of the state after it, and becomes that of
  /// the state before it: hand it on to the piece of text before, or to `start_vjp`. Writes dx, which may be dy; beyond
  /// a stream's length dy is not read, and dx stays as it is. Adds to d_params.
  void backward(const Tape& tape, View<const Scalar, 3> dy, State& d_state, Workspace& work, View<Scalar, 3> dx,
                Params& d_params) const;

  /// The adjoint of `start`: adds the streams' cotangents to those of the initial state. d_state is used up.
  void start_vjp(State& d_state, Workspace& work, Params& d_params) const;

 private:
  typename S::Ref ref() const { return {config_, params_, tables_}; }
  void check_state(const State& state) const;
  void check(const View<const Scalar, 3>& x, const State& state, const View<const Scalar, 3>& y) const;
  void prepare(const View<const Scalar, 3>& x, const Options& options) const;

  Config config_;
  Params params_;
  typename S::Tables tables_;
};

template <SequenceLayer S>
Layer<S>::Layer(const Config& config, Rng& rng, double initializer_range)
    : config_(S::resolved(config)),
      params_(Params::random(config_, initializer_range, rng)),
      tables_(S::tables(config_)) {}

template <SequenceLayer S>
Layer<S>::Layer(const Config& config, Params params)
    : config_(S::resolved(config)), params_(std::move(params)), tables_(S::tables(config_)) {
  detail::check_shapes(Params::zeros(config_), params_, "layer parameters");
}

template <SequenceLayer S>
typename Layer<S>::State Layer<S>::zeros(Index batch) const {
  require<ShapeError>(batch >= 0, "expected a batch of at least 0 streams, found ", batch);
  std::vector<Stream> streams;
  for (Index i = 0; i < batch; ++i) streams.push_back(Stream::zeros(config_));
  return State(std::move(streams));
}

template <SequenceLayer S>
typename Layer<S>::State Layer<S>::start(Index batch) const {
  State state = zeros(batch);
  for (Stream& stream : state.streams) reset(stream);
  return state;
}

template <SequenceLayer S>
void Layer<S>::reset(Stream& stream) const {
  S::check_stream(config_, stream);
  S::start(ref(), stream);
}

template <SequenceLayer S>
void Layer<S>::check_state(const State& state) const {
  for (const Stream& stream : state.streams) S::check_stream(config_, stream);
}

template <SequenceLayer S>
void Layer<S>::check(const View<const Scalar, 3>& x, const State& state, const View<const Scalar, 3>& y) const {
  require<ShapeError>(x.extent(2) == config_.hidden_size, "expected an input of hidden_size ", config_.hidden_size,
                      ", found shape ", detail::text(x.shape()));
  require<ShapeError>(x.extent(0) == state.batch(), "expected as many sequences as the state has streams, ",
                      state.batch(), ", found shape ", detail::text(x.shape()));
  require<ShapeError>(y.shape() == x.shape(), "expected an output of shape ", detail::text(x.shape()), ", found ",
                      detail::text(y.shape()));
  check_state(state);
}

template <SequenceLayer S>
void Layer<S>::prepare(const View<const Scalar, 3>& x, const Options& options) const {
  detail::check_inner_lr(options.inner_lr);
  detail::check_lengths(options.lengths, x.extent(0), x.extent(1));
  if (options.losses == nullptr) return;
  S::resize_losses(config_, x.extent(0), x.extent(1), *options.losses);
  if (!options.lengths.empty()) options.losses->clear();
}

template <SequenceLayer S>
void Layer<S>::forward(View<const Scalar, 3> x, State& state, Workspace& work, View<Scalar, 3> y,
                       const Options& options) const {
  check(x, state, y);
  prepare(x, options);
  const Index batch = x.extent(0), time = x.extent(1);
  if (x.size() == 0) return;
  const FloatEnvironment environment;
  const Index piece = std::max<Index>(1, detail::rows_at_a_time / batch);
  for (Index t = 0; t < time; t += piece) {
    Frame frame(work);
    const Streams rows(frame, options.lengths, batch, t, std::min(piece, time - t));
    if (rows.rows() == 0) break;
    const View<const Scalar> in = rows_of(frame, x, t, rows);
    const View<Scalar> out = frame.take<Scalar, 2>({rows.rows(), config_.hidden_size});
    S::forward(ref(), in, rows, detail::stream_pointers(frame, state), options, t, out, work);
    scatter_rows(View<const Scalar>(out), rows, y, t);
  }
}

template <SequenceLayer S>
Tensor<typename S::Scalar, 3> Layer<S>::operator()(View<const Scalar, 3> x) const {
  Tensor<Scalar, 3> y(x.shape());
  State state = start(x.extent(0));
  Workspace work;
  forward(x, state, work, y);
  return y;
}

template <SequenceLayer S>
void Layer<S>::forward(View<const Scalar, 3> x, State& state, Tape& tape, Workspace& work, View<Scalar, 3> y,
                       const Options& options) const {
  check(x, state, y);
  require<ShapeError>(x.size() > 0, "expected at least one token, found shape ", detail::text(x.shape()));
  prepare(x, options);
  const FloatEnvironment environment;
  tape.complete_ = false;
  tape.config_ = config_;
  Frame& frame = tape.frame_.emplace(tape.memory_);
  tape.streams_ = Streams(frame, options.lengths, x.extent(0), 0, x.extent(1));
  tape.time_ = x.extent(1);
  const Shape<2> shape{tape.streams_.rows(), config_.hidden_size};
  const View<Scalar> in = frame.take<Scalar, 2>(shape);
  for (Index i = 0; i < x.extent(0); ++i) {
    copy<Scalar, 2>(x[i].row_range(0, tape.streams_.length(i)), tape.streams_.of(in, i));
  }
  Frame out_frame(work);
  const View<Scalar> out = out_frame.take<Scalar, 2>(shape);
  tape.record_ = S::forward_recorded(ref(), View<const Scalar>(in), tape.streams_,
                                     detail::stream_pointers(out_frame, state), options, frame, out, work);
  scatter_rows(View<const Scalar>(out), tape.streams_, y, 0);
  tape.complete_ = true;
}

template <SequenceLayer S>
void Layer<S>::backward(const Tape& tape, View<const Scalar, 3> dy, State& d_state, Workspace& work, View<Scalar, 3> dx,
                        Params& d_params) const {
  check(dy, d_state, dx);
  detail::check_gradient(params_, d_params, "layer gradient");
  require<ShapeError>(tape.complete_ && tape.config_ == config_,
                      "expected the tape of a forward pass of such a layer, found one without");
  const Index batch = tape.streams_.count();
  require<ShapeError>(dy.extent(0) == batch && dy.extent(1) == tape.time_, "expected gradients of the tape's ", batch,
                      " sequences of ", tape.time_, " tokens, found shape ", detail::text(dy.shape()));
  const FloatEnvironment environment;
  Frame frame(work);
  const StreamPointers<S> d_streams = detail::stream_pointers(frame, d_state);
  S::check_cotangent(tape.record_, d_streams);
  const View<const Scalar> rows = rows_of(frame, dy, 0, tape.streams_);
  const View<Scalar> d_rows = frame.zeros<Scalar, 2>(rows.shape());  // not dx, which may be dy
  S::backward(ref(), tape.record_, rows, d_streams, d_rows, d_params, work);
  scatter_rows(View<const Scalar>(d_rows), tape.streams_, dx, 0);
}

template <SequenceLayer S>
void Layer<S>::start_vjp(State& d_state, Workspace& work, Params& d_params) const {
  check_state(d_state);
  detail::check_gradient(params_, d_params, "layer gradient");
  if (d_state.batch() == 0) return;
  const FloatEnvironment environment;
  Frame frame(work);
  S::start_vjp(ref(), detail::stream_pointers(frame, d_state), d_params);
}

}  // namespace ttt
