// SPDX-License-Identifier: MIT
// The language model's passes over a batch: forward in pieces, or whole with a tape, and backward.
#include "ttt/model/model.hpp"

namespace ttt {

namespace {

/// The TTT layer of one block on a batch, without a tape.
template <InnerModel M, class T>
void run_layer(const detail::BlockRef<T>& block, detail::BlockStreams<T> streams, View<const T> in, View<T> out,
               const ForwardOptions<T>& options, Index time, Workspace& work) {
  Frame frame(work);
  const auto a = detail::LayerActivations<T>::take(frame, block.layer, streams.size(), in);
  detail::forward<M>(block.template layer_of<M>(), a, detail::layer_streams<M>(frame, streams), options, time, out,
                     work, [](Index, Index, Index, const HeadState<M>&) {});
}

/// The same, keeping a record for the way back.
template <InnerModel M, class T>
detail::LayerRecord<M> record_layer(const detail::BlockRef<T>& block, detail::BlockStreams<T> streams, View<const T> in,
                                    View<T> out, double inner_lr, Frame& tape, Workspace& work) {
  Frame frame(work);
  const Streams<M> layer_streams = detail::layer_streams<M>(frame, streams);
  const auto record = detail::LayerRecord<M>::take(tape, block.layer, layer_streams, in, inner_lr);
  ForwardOptions<T> options;
  options.inner_lr = inner_lr;
  detail::forward<M>(block.template layer_of<M>(), record.a, layer_streams, options, 0, out, work,
                     record.saver(block.layer.mini_batch_size));
  return record;
}

template <class T>
detail::BlockStreams<T> block_streams(Frame& frame, ModelState<T>& state, std::size_t block) {
  const detail::BlockStreams<T> all = frame.take<BlockState<T>*, 1>({state.batch()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &state.streams[static_cast<std::size_t>(i)].layers[block];
  return all;
}

/// Rows of tokens t ... t + n - 1 of every stream.
View<Token, 1> token_rows(Frame& frame, View<const Token, 2> tokens, Index t, Index n) {
  const View<Token, 1> rows = frame.take<Token, 1>({tokens.rows() * n});
  for (Index i = 0; i < tokens.rows(); ++i) copy<Token, 1>(tokens[i].rows(t, n), rows.rows(i * n, n));
  return rows;
}

template <class T>
void embed(View<const Token, 1> tokens, const Dense<T>& embedding, View<T> X) {
  for (Index r = 0; r < tokens.size(); ++r) embedding.copy_row(tokens[r], X[r]);
}

/// d_embedding[v] += the sum of dX over all rows of token v, cut every 128 rows as in `add_outer`.
template <class T>
void embed_vjp(View<const Token, 1> tokens, View<const T> dX, Dense<T>& d_embedding, Workspace& work) {
  Frame frame(work);
  const Index V = d_embedding.extent(0), rows = tokens.size();
  const View<Index, 1> begin = frame.zeros<Index, 1>({V + 1}), next = frame.take<Index, 1>({V});
  for (Index r = 0; r < rows; ++r) ++begin[tokens[r] + 1];
  for (Index v = 0; v < V; ++v) begin[v + 1] += begin[v];
  copy<Index, 1>(begin.rows(0, V), next);
  const View<T> sorted = frame.take<T, 2>({rows, dX.cols()});
  const View<T, 1> sum = frame.take<T, 1>({dX.cols()});
  for (Index r = 0; r < rows; ++r) copy<T, 1>(dX[r], sorted[next[tokens[r]]++]);
  for (Index v = 0; v < V; ++v) {
    if (begin[v + 1] > begin[v]) {
      fill(sum, T(0));
      ops::add_column_sums(T(1), sorted.rows(begin[v], begin[v + 1] - begin[v]), sum);
      d_embedding.add_row(v, sum);
    }
  }
}

/// Rows whose logits are held at a time.
constexpr Index logit_rows = 256;

template <class T>
void check_shape(const View<T, 2>& found, const View<const Token, 2>& tokens, const char* what) {
  require<ShapeError>(found.shape() == tokens.shape(), "expected ", what, " of the tokens' shape ",
                      detail::text(tokens.shape()), ", found ", detail::text(found.shape()));
}

void check_targets(View<const Token, 2> targets, Index vocab_size) {
  for (Index i = 0; i < targets.rows(); ++i) {
    for (Index t = 0; t < targets.cols(); ++t) {
      const Token v = targets[i][t];
      require<ShapeError>(v == ignored || (0 <= v && v < vocab_size), "expected targets of 0 to ", vocab_size - 1,
                          " or ", ignored, ", found ", v);
    }
  }
}

}  // namespace

template <class T>
BasicModel<T>::BasicModel(const ModelConfig& config, Rng& rng)
    : config_(resolved(config)),
      layer_config_(config_.layer()),
      params_(Params::random(config_, rng)),
      rotary_(detail::rotary_table<T>(layer_config_)) {}

template <class T>
BasicModel<T>::BasicModel(const ModelConfig& config, Params params)
    : config_(resolved(config)),
      layer_config_(config_.layer()),
      params_(std::move(params)),
      rotary_(detail::rotary_table<T>(layer_config_)) {
  detail::check_shapes(Params::zeros(config_), params_, "model parameters");
}

template <class T>
ModelState<T> BasicModel<T>::zeros(Index batch) const {
  require<ShapeError>(batch >= 0, "expected a batch of at least 0 streams, found ", batch);
  std::vector<ModelStream<T>> streams(static_cast<std::size_t>(batch));
  for (ModelStream<T>& stream : streams) {
    for (Index i = 0; i < config_.num_layers; ++i) {
      BlockState<T> block;
      if (config_.layer_type == LayerType::linear) {
        block.layer = StreamState<LinearModel<T>>::zeros(layer_config_);
      } else {
        block.layer = StreamState<MlpModel<T>>::zeros(layer_config_);
      }
      if (config_.pre_conv) block.conv_tail = Tensor<T, 2>({config_.conv_kernel - 1, config_.hidden_size});
      stream.layers.push_back(std::move(block));
    }
  }
  return State(std::move(streams));
}

template <class T>
ModelState<T> BasicModel<T>::start(Index batch) const {
  State state = zeros(batch);
  for (ModelStream<T>& stream : state.streams) reset(stream);
  return state;
}

template <class T>
void BasicModel<T>::reset(ModelStream<T>& stream) const {
  check_stream(stream);
  for (std::size_t i = 0; i < stream.layers.size(); ++i) {
    std::visit([&]<class M>(StreamState<M>& layer) { detail::start<M>(block(i).template layer_of<M>(), layer); },
               stream.layers[i].layer);
    fill(stream.layers[i].conv_tail.view(), T(0));
  }
}

template <class T>
void BasicModel<T>::check_stream(const ModelStream<T>& stream) const {
  const Shape<2> tail{config_.pre_conv ? config_.conv_kernel - 1 : 0, config_.pre_conv ? config_.hidden_size : 0};
  require<ShapeError>(stream.layers.size() == params_.layers.size(), "expected a state of ", params_.layers.size(),
                      " layers, found ", stream.layers.size());
  for (const BlockState<T>& layer : stream.layers) {
    require<ShapeError>(layer.conv_tail.shape() == tail, "expected a state with tails ", detail::text(tail),
                        " of the front convolutions, found ", detail::text(layer.conv_tail.shape()));
    require<ShapeError>((config_.layer_type == LayerType::linear) == (layer.layer.index() == 0),
                        "expected a state of layers of type ", name(config_.layer_type), ", found another");
    std::visit([&]<class M>(const StreamState<M>& s) { detail::check_stream<M>(layer_config_, s); }, layer.layer);
  }
}

template <class T>
void BasicModel<T>::check_state(const State& state) const {
  for (const ModelStream<T>& stream : state.streams) check_stream(stream);
}

template <class T>
void BasicModel<T>::check(View<const Token, 2> tokens, const State& state) const {
  require<ShapeError>(tokens.rows() == state.batch(), "expected as many sequences as the state has streams, ",
                      state.batch(), ", found tokens of shape ", detail::text(tokens.shape()));
  check_state(state);
  for (Index i = 0; i < tokens.rows(); ++i) {
    for (Index t = 0; t < tokens.cols(); ++t) {
      require<ShapeError>(0 <= tokens[i][t] && tokens[i][t] < config_.vocab_size, "expected tokens of 0 to ",
                          config_.vocab_size - 1, ", found ", tokens[i][t]);
    }
  }
}

/// Runs the blocks and the last norm in pieces of time, and hands each piece on: sink(t, n, normalised [batch * n, C]).
template <class T>
template <class Sink>
void BasicModel<T>::read(View<const Token, 2> tokens, State& state, Workspace& work, const Options& options,
                         const Sink& sink) const {
  const Index batch = tokens.rows(), time = tokens.cols(), C = config_.hidden_size;
  const std::size_t layers = params_.layers.size();
  detail::check_inner_lr(options.inner_lr);
  if (options.losses != nullptr) {
    options.losses->resize(layers);
    for (InnerLosses<T>& losses : *options.losses) losses.resize({batch, config_.num_heads, time});
  }
  if (options.hidden != nullptr) {
    options.hidden->resize(layers + 1);
    for (Tensor<T, 3>& hidden : *options.hidden) {
      if (hidden.shape() != Shape<3>{batch, time, C}) hidden = Tensor<T, 3>({batch, time, C});
    }
  }
  if (tokens.size() == 0) return;
  const Index piece = std::max<Index>(1, detail::rows_at_a_time / batch);
  for (Index t = 0; t < time; t += piece) {
    Frame frame(work);
    const Index n = std::min(piece, time - t), rows = batch * n;
    const auto show = [&](std::size_t i, View<const T> X) {
      if (options.hidden == nullptr) return;
      copy<T, 3>(View<const T, 3>(X.data(), {batch, n, C}), detail::time_slice((*options.hidden)[i].view(), t, n));
    };
    const View<T> X = frame.take<T, 2>({rows, C}), normalised = frame.take<T, 2>({rows, C});
    embed<T>(token_rows(frame, tokens, t, n), params_.embed_tokens, X);
    for (std::size_t i = 0; i < layers; ++i) {
      Frame block_frame(work);
      const detail::BlockRef<T> ref = block(i);
      const auto streams = block_streams(block_frame, state, i);
      const auto a = detail::BlockActivations<T>::take(block_frame, config_, batch, rows);
      const ForwardOptions<T> layer_options{options.inner_lr,
                                            options.losses != nullptr ? &(*options.losses)[i] : nullptr};
      detail::block_forward(ref, a, streams, X, work, [&](View<const T> in, View<T> out) {
        if (config_.layer_type == LayerType::linear) {
          run_layer<LinearModel<T>>(ref, streams, in, out, layer_options, t, work);
        } else {
          run_layer<MlpModel<T>>(ref, streams, in, out, layer_options, t, work);
        }
      });
      show(i, X);
    }
    detail::rms_norm_rows<T>(X, params_.norm, config_.rms_norm_eps, normalised);
    show(layers, normalised);
    sink(t, n, View<const T>(normalised));
  }
}

template <class T>
void BasicModel<T>::forward(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 3> logits,
                            const Options& options) const {
  check(tokens, state);
  const Shape<3> shape{tokens.rows(), tokens.cols(), config_.vocab_size};
  require<ShapeError>(logits.shape() == shape, "expected logits of shape ", detail::text(shape), ", found ",
                      detail::text(logits.shape()));
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, Index n, View<const T> normalised) {
    for (Index i = 0; i < tokens.rows(); ++i) project(normalised.rows(i * n, n), head(), logits[i].rows(t, n));
  });
}

template <class T>
void BasicModel<T>::forward_last(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 2> logits,
                                 const Options& options) const {
  check(tokens, state);
  const Shape<2> shape{tokens.rows(), config_.vocab_size};
  require<ShapeError>(logits.shape() == shape && tokens.cols() > 0, "expected at least one token and logits of shape ",
                      detail::text(shape), ", found tokens ", detail::text(tokens.shape()), " and logits ",
                      detail::text(logits.shape()));
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, Index n, View<const T> normalised) {
    if (t + n < tokens.cols()) return;
    // The last row of every stream.
    const View<const T> last(normalised.data() + (n - 1) * normalised.stride(0), {tokens.rows(), config_.hidden_size},
                             {n * normalised.stride(0), 1});
    project(last, head(), logits);
  });
}

template <class T>
void BasicModel<T>::token_losses(View<const Token, 2> tokens, View<const Token, 2> targets, State& state,
                                 Workspace& work, View<T, 2> losses, const Options& options) const {
  check(tokens, state);
  check_shape(targets, tokens, "targets");
  check_shape(losses, tokens, "losses");
  check_targets(targets, config_.vocab_size);
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, Index n, View<const T> normalised) {
    Frame frame(work);
    const View<Token, 1> target = token_rows(frame, targets, t, n);
    const View<T, 1> loss = frame.take<T, 1>({normalised.rows()});
    const View<T> logits = frame.take<T, 2>({std::min(logit_rows, normalised.rows()), config_.vocab_size});
    for (Index r = 0; r < normalised.rows(); r += logit_rows) {
      const Index m = std::min(logit_rows, normalised.rows() - r);
      project(normalised.rows(r, m), head(), logits.rows(0, m));
      for_rows(m, 16.0 * static_cast<double>(config_.vocab_size), [&](Index s, Index k) {
        ops::cross_entropy(logits.rows(s, k), target.rows(r + s, k), T(0), loss.rows(r + s, k));
      });
    }
    copy<T, 2>(View<const T>(loss.data(), {tokens.rows(), n}), losses.columns(t, n));
  });
}

template <class T>
Tensor<T, 3> BasicModel<T>::operator()(View<const Token, 2> tokens) const {
  Tensor<T, 3> logits({tokens.rows(), tokens.cols(), config_.vocab_size});
  State state = start(tokens.rows());
  Workspace work;
  forward(tokens, state, work, logits);
  return logits;
}

template <class T>
double BasicModel<T>::forward_loss(View<const Token, 2> tokens, View<const Token, 2> targets, State& state, Tape& tape,
                                   Workspace& work, Params& gradient, const LossOptions& options) const {
  check(tokens, state);
  check_shape(targets, tokens, "targets");
  check_targets(targets, config_.vocab_size);
  require<ShapeError>(tokens.size() > 0, "expected at least one token, found shape ", detail::text(tokens.shape()));
  detail::check_gradient(params_, gradient, "model gradient");
  detail::check_inner_lr(options.inner_lr);
  const FloatEnvironment environment;
  const Index batch = tokens.rows(), rows = tokens.size(), C = config_.hidden_size, V = config_.vocab_size;
  tape.batch_ = 0;
  Frame& frame = tape.frame_.emplace(tape.memory_);
  tape.tokens_ = token_rows(frame, tokens, 0, tokens.cols());
  tape.blocks_.resize(params_.layers.size());

  const View<T> X = frame.take<T, 2>({rows, C});
  embed<T>(tape.tokens_, params_.embed_tokens, X);
  for (std::size_t i = 0; i < params_.layers.size(); ++i) {
    Frame streams_frame(work);
    const detail::BlockRef<T> ref = block(i);
    const auto streams = block_streams(streams_frame, state, i);
    typename Tape::Block& kept = tape.blocks_[i];
    kept.a = detail::BlockActivations<T>::take(frame, config_, batch, rows);
    detail::block_forward(ref, kept.a, streams, X, work, [&](View<const T> in, View<T> out) {
      if (config_.layer_type == LayerType::linear) {
        kept.layer = record_layer<LinearModel<T>>(ref, streams, in, out, options.inner_lr, frame, work);
      } else {
        kept.layer = record_layer<MlpModel<T>>(ref, streams, in, out, options.inner_lr, frame, work);
      }
    });
  }
  tape.norm_x_ = X;
  tape.d_norm_out_ = frame.zeros<T, 2>({rows, C});

  Frame scratch(work);
  const View<Token, 1> target = token_rows(scratch, targets, 0, targets.cols());
  const Index counted = rows - std::count(target.data(), target.data() + rows, ignored);
  const double mean = counted > 0 ? 1.0 / static_cast<double>(counted) : 0.0;
  const View<T> normalised = scratch.take<T, 2>({rows, C});
  detail::rms_norm_rows<T>(X, params_.norm, config_.rms_norm_eps, normalised);
  const View<T> loss = scratch.take<T, 2>({rows, 1});
  const View<T> logits = scratch.take<T, 2>({std::min(logit_rows, rows), V});
  Dense<T>& d_head = config_.tie_word_embeddings ? gradient.embed_tokens : gradient.lm_head;
  for (Index r = 0; r < rows; r += logit_rows) {
    const Index m = std::min(logit_rows, rows - r);
    project(normalised.rows(r, m), head(), logits.rows(0, m));
    for_rows(m, 16.0 * static_cast<double>(V), [&](Index s, Index k) {
      ops::cross_entropy(logits.rows(s, k), target.rows(r + s, k), static_cast<T>(options.weight * mean),
                         View<T, 1>(loss.data() + r + s, {k}));
    });
    project_vjp(normalised.rows(r, m), head(), logits.rows(0, m), tape.d_norm_out_.rows(r, m), d_head);
  }
  T sum = 0;
  ops::add_column_sums(T(1), loss, View<T, 1>(&sum, {1}));
  tape.batch_ = batch;
  return static_cast<double>(sum) * mean;
}

template <class T>
void BasicModel<T>::backward(const Tape& tape, State& d_state, Workspace& work, Params& gradient) const {
  require<ShapeError>(tape.batch_ > 0 && tape.blocks_.size() == params_.layers.size(),
                      "expected the tape of a forward pass of this model, found one without");
  require<ShapeError>(d_state.batch() == tape.batch_, "expected a state of the tape's ", tape.batch_,
                      " streams, found ", d_state.batch());
  check_state(d_state);
  detail::check_gradient(params_, gradient, "model gradient");
  const FloatEnvironment environment;
  Frame frame(work);
  const View<T> dX = frame.zeros<T, 2>(tape.norm_x_.shape());
  detail::rms_norm_rows_vjp<T>(tape.norm_x_, params_.norm, config_.rms_norm_eps, tape.d_norm_out_, dX, gradient.norm,
                               work);
  for (std::size_t i = params_.layers.size(); i-- > 0;) {
    Frame block_frame(work);
    const detail::BlockRef<T> ref = block(i);
    const auto d_streams = block_streams(block_frame, d_state, i);
    const typename Tape::Block& kept = tape.blocks_[i];
    detail::block_backward(ref, kept.a, d_streams, dX, gradient.layers[i], work, [&](View<const T> dy, View<T> dx) {
      std::visit(
          [&]<class M>(const detail::LayerRecord<M>& record) {
            Frame frame_of_layer(work);
            detail::backward<M>(ref.template layer_of<M>(), record, dy,
                                detail::layer_streams<M>(frame_of_layer, d_streams), dx,
                                std::get<LayerParams<M>>(gradient.layers[i].seq_modeling_block), work);
          },
          kept.layer);
    });
  }
  embed_vjp<T>(tape.tokens_, dX, gradient.embed_tokens, work);
}

template <class T>
void BasicModel<T>::start_vjp(State& d_state, Workspace& work, Params& gradient) const {
  check_state(d_state);
  detail::check_gradient(params_, gradient, "model gradient");
  if (d_state.batch() == 0) return;
  const FloatEnvironment environment;
  for (std::size_t i = 0; i < params_.layers.size(); ++i) {
    std::visit(
        [&]<class M>(LayerParams<M>& d_params) {
          Frame frame(work);
          const auto d_streams = detail::layer_streams<M>(frame, block_streams(frame, d_state, i));
          detail::start_vjp<M>(block(i).template layer_of<M>(), d_streams, d_params);
        },
        gradient.layers[i].seq_modeling_block);
  }
}

template class BasicModel<float>;
template class BasicModel<double>;

}  // namespace ttt
