// SPDX-License-Identifier: MIT
// The language model's passes over a batch: forward in pieces, or whole with a tape, and backward.
#include "ttt/model/model.hpp"

#include "model/block.hpp"

namespace ttt {

namespace {

template <class T>
detail::BlockStreams<T> block_streams(Frame& frame, ModelState<T>& state, std::size_t block) {
  const detail::BlockStreams<T> all = frame.take<BlockStream<T>*, 1>({state.batch()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &state.streams[static_cast<std::size_t>(i)].layers[block];
  return all;
}

/// The tokens of every stream from time t on, as rows.
View<Token, 1> token_rows(Frame& frame, View<const Token, 2> tokens, Index t, const Streams& streams) {
  const View<Token, 1> rows = frame.take<Token, 1>({streams.rows()});
  for (Index i = 0; i < streams.count(); ++i) {
    const Index n = streams.length(i);
    copy<Token, 1>(tokens[i].row_range(t, n), rows.row_range(streams.begin(i), n));
  }
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
  copy<Index, 1>(begin.row_range(0, V), next);
  const View<T> sorted = frame.take<T, 2>({rows, dX.cols()});
  const View<T, 1> sum = frame.take<T, 1>({dX.cols()});
  for (Index r = 0; r < rows; ++r) copy<T, 1>(dX[r], sorted[next[tokens[r]]++]);
  for (Index v = 0; v < V; ++v) {
    if (begin[v + 1] > begin[v]) {
      fill(sum, T(0));
      ops::add_column_sums(T(1), sorted.row_range(begin[v], begin[v + 1] - begin[v]), sum);
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

/// f(token) for those within the streams' lengths.
template <class F>
void each_token(View<const Token, 2> tokens, std::span<const Index> lengths, const F& f) {
  for (Index i = 0; i < tokens.rows(); ++i) {
    const Index length = lengths.empty() ? tokens.cols() : lengths[static_cast<std::size_t>(i)];
    for (Index t = 0; t < length; ++t) f(tokens[i][t]);
  }
}

void check_targets(View<const Token, 2> targets, std::span<const Index> lengths, Index vocab_size) {
  each_token(targets, lengths, [&](Token v) {
    require<TokenError>(v == ignored_target || (0 <= v && v < vocab_size), "expected targets of 0 to ", vocab_size - 1,
                        " or ", ignored_target, ", found ", v);
  });
}

}  // namespace

template <class T>
BasicModel<T>::BasicModel(const ModelConfig& config, Rng& rng)
    : config_(resolved(config)), params_(Params::random(config_, rng)) {
  make_tables();
}

template <class T>
BasicModel<T>::BasicModel(const ModelConfig& config, Params params)
    : config_(resolved(config)), params_(std::move(params)) {
  params_.check(config_, "model parameters");
  make_tables();
}

template <class T>
void BasicModel<T>::make_tables() {
  for (Index i = 0; i < config_.num_layers; ++i) {
    layer_configs_.push_back(config_.block(i));
    sequence::with_config<T>(layer_configs_.back(),
                             [&]<class S, std::size_t number>(sequence::At<S, number>, const auto& config) {
                               tables_.emplace_back(std::in_place_index<number>, S::tables(config));
                             });
  }
}

template <class T>
auto BasicModel<T>::block(std::size_t i) const {
  return detail::BlockRef<T>{config_, layer_configs_[i], params_.layers[i], tables_[i]};
}

template <class T>
ModelState<T> BasicModel<T>::zeros(Index batch) const {
  require<ShapeError>(batch >= 0, "expected a batch of at least 0 streams, found ", batch);
  std::vector<ModelStream<T>> streams(static_cast<std::size_t>(batch));
  for (ModelStream<T>& stream : streams) {
    for (std::size_t i = 0; i < params_.layers.size(); ++i) stream.layers.push_back(detail::zero_stream(block(i)));
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
  for (std::size_t i = 0; i < stream.layers.size(); ++i) detail::start(block(i), stream.layers[i]);
}

template <class T>
void BasicModel<T>::check_stream(const ModelStream<T>& stream) const {
  require<ShapeError>(stream.layers.size() == params_.layers.size(), "expected a state of ", params_.layers.size(),
                      " layers, found ", stream.layers.size());
  for (std::size_t i = 0; i < stream.layers.size(); ++i) detail::check_stream(block(i), stream.layers[i]);
}

template <class T>
void BasicModel<T>::check_state(const State& state) const {
  for (const ModelStream<T>& stream : state.streams) check_stream(stream);
}

template <class T>
void BasicModel<T>::check(View<const Token, 2> tokens, const State& state, std::span<const Index> lengths) const {
  require<ShapeError>(tokens.rows() == state.batch(), "expected as many sequences as the state has streams, ",
                      state.batch(), ", found tokens of shape ", detail::text(tokens.shape()));
  detail::check_lengths(lengths, tokens.rows(), tokens.cols());
  check_state(state);
  each_token(tokens, lengths, [&](Token v) {
    require<TokenError>(0 <= v && v < config_.vocab_size, "expected tokens of 0 to ", config_.vocab_size - 1,
                        ", found ", v);
  });
}

/// Runs the blocks and the last norm in pieces of time, and hands each piece on: sink(t, streams, normalised [rows,
/// C]).
template <class T>
template <class Sink>
void BasicModel<T>::read(View<const Token, 2> tokens, State& state, Workspace& work, const Options& options,
                         const Sink& sink) const {
  const Index batch = tokens.rows(), time = tokens.cols(), C = config_.hidden_size;
  const std::size_t layers = params_.layers.size();
  detail::check_inner_lr(options.inner_lr);
  if (options.losses != nullptr) {
    options.losses->resize(layers);
    for (std::size_t i = 0; i < layers; ++i) {
      InnerLosses<T>& losses = (*options.losses)[i];
      block(i).with_layer([&]<class S, std::size_t number>(sequence::At<S, number>, const typename S::Ref& layer) {
        S::resize_losses(layer.config, batch, time, losses);
      });
      if (!options.lengths.empty()) losses.clear();
    }
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
    const Streams rows(frame, options.lengths, batch, t, std::min(piece, time - t));
    if (rows.rows() == 0) break;
    const auto show = [&](std::size_t i, View<const T> X) {
      if (options.hidden != nullptr) scatter_rows(X, rows, (*options.hidden)[i].view(), t);
    };
    const View<T> X = frame.take<T, 2>({rows.rows(), C}), normalised = frame.take<T, 2>({rows.rows(), C});
    embed<T>(token_rows(frame, tokens, t, rows), params_.embed_tokens, X);
    for (std::size_t i = 0; i < layers; ++i) {
      Frame block_frame(work);
      const ForwardOptions<T> layer_options{
          options.inner_lr, options.losses != nullptr ? &(*options.losses)[i] : nullptr, options.lengths};
      detail::forward(block(i), rows, block_streams(block_frame, state, i), layer_options, t, X, work);
      show(i, X);
    }
    ops::rms_norm_rows<T>(X, params_.norm, config_.rms_norm_eps, normalised);
    show(layers, normalised);
    sink(t, rows, View<const T>(normalised));
  }
}

template <class T>
void BasicModel<T>::forward(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 3> logits,
                            const Options& options) const {
  check(tokens, state, options.lengths);
  const Shape<3> shape{tokens.rows(), tokens.cols(), config_.vocab_size};
  require<ShapeError>(logits.shape() == shape, "expected logits of shape ", detail::text(shape), ", found ",
                      detail::text(logits.shape()));
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, const Streams& rows, View<const T> normalised) {
    for (Index i = 0; i < rows.count(); ++i) {
      ops::project(rows.of(normalised, i), head(), logits[i].row_range(t, rows.length(i)));
    }
  });
}

template <class T>
void BasicModel<T>::forward_last(View<const Token, 2> tokens, State& state, Workspace& work, View<T, 2> logits,
                                 const Options& options) const {
  check(tokens, state, options.lengths);
  const Shape<2> shape{tokens.rows(), config_.vocab_size};
  require<ShapeError>(logits.shape() == shape && tokens.cols() > 0, "expected at least one token and logits of shape ",
                      detail::text(shape), ", found tokens ", detail::text(tokens.shape()), " and logits ",
                      detail::text(logits.shape()));
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, const Streams& rows, View<const T> normalised) {
    const auto ends_here = [&](Index i) {
      const Index length = options.lengths.empty() ? tokens.cols() : options.lengths[static_cast<std::size_t>(i)];
      return rows.length(i) > 0 && t + rows.length(i) == length;
    };
    // Neighbours that end here are one product.
    Frame frame(work);
    const View<T> last = frame.take<T, 2>({rows.count(), config_.hidden_size});
    for (Index i = 0; i < rows.count();) {
      Index n = 0;
      for (; i + n < rows.count() && ends_here(i + n); ++n) {
        copy<T, 1>(normalised[rows.begin(i + n) + rows.length(i + n) - 1], last[n]);
      }
      if (n > 0) ops::project(last.row_range(0, n), head(), logits.row_range(i, n));
      i += n + 1;
    }
  });
}

template <class T>
void BasicModel<T>::token_losses(View<const Token, 2> tokens, View<const Token, 2> targets, State& state,
                                 Workspace& work, View<T, 2> losses, const Options& options) const {
  check(tokens, state, options.lengths);
  check_shape(targets, tokens, "targets");
  check_shape(losses, tokens, "losses");
  check_targets(targets, options.lengths, config_.vocab_size);
  const FloatEnvironment environment;
  read(tokens, state, work, options, [&](Index t, const Streams& rows, View<const T> normalised) {
    Frame frame(work);
    const View<Token, 1> target = token_rows(frame, targets, t, rows);
    const View<T, 1> loss = frame.take<T, 1>({normalised.rows()});
    const View<T> logits = frame.take<T, 2>({std::min(logit_rows, normalised.rows()), config_.vocab_size});
    for (Index r = 0; r < normalised.rows(); r += logit_rows) {
      const Index m = std::min(logit_rows, normalised.rows() - r);
      ops::project(normalised.row_range(r, m), head(), logits.row_range(0, m));
      ops::for_rows(m, 16.0 * static_cast<double>(config_.vocab_size), [&](Index s, Index k) {
        ops::cross_entropy(logits.row_range(s, k), target.row_range(r + s, k), T(0), loss.row_range(r + s, k));
      });
    }
    for (Index i = 0; i < rows.count(); ++i) {
      const Index n = rows.length(i);
      copy<T, 1>(loss.row_range(rows.begin(i), n), losses[i].row_range(t, n));
    }
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
  check(tokens, state, options.lengths);
  check_shape(targets, tokens, "targets");
  check_targets(targets, options.lengths, config_.vocab_size);
  require<ShapeError>(tokens.size() > 0, "expected at least one token, found shape ", detail::text(tokens.shape()));
  detail::check_gradient(params_, gradient, "model gradient");
  detail::check_inner_lr(options.inner_lr);
  const FloatEnvironment environment;
  tape.complete_ = false;
  tape.config_ = config_;
  Frame& frame = tape.frame_.emplace(tape.memory_);
  tape.streams_ = Streams(frame, options.lengths, tokens.rows(), 0, tokens.cols());
  const Index rows = tape.streams_.rows(), C = config_.hidden_size, V = config_.vocab_size;
  tape.tokens_ = token_rows(frame, tokens, 0, tape.streams_);
  tape.blocks_.resize(params_.layers.size());

  const View<T> X = frame.take<T, 2>({rows, C});
  embed<T>(tape.tokens_, params_.embed_tokens, X);
  ForwardOptions<T> layer_options;
  layer_options.inner_lr = options.inner_lr;
  for (std::size_t i = 0; i < params_.layers.size(); ++i) {
    Frame streams_frame(work);
    tape.blocks_[i] = detail::forward_recorded(block(i), tape.streams_, block_streams(streams_frame, state, i),
                                               layer_options, X, frame, work);
  }
  tape.norm_x_ = X;
  tape.d_norm_out_ = frame.zeros<T, 2>({rows, C});

  Frame scratch(work);
  const View<Token, 1> target = token_rows(scratch, targets, 0, tape.streams_);
  const Index counted = rows - std::count(target.data(), target.data() + rows, ignored_target);
  const double mean = counted > 0 ? 1.0 / static_cast<double>(counted) : 0.0;
  const View<T> normalised = scratch.take<T, 2>({rows, C});
  ops::rms_norm_rows<T>(X, params_.norm, config_.rms_norm_eps, normalised);
  const View<T> loss = scratch.take<T, 2>({rows, 1});
  const View<T> logits = scratch.take<T, 2>({std::min(logit_rows, rows), V});
  Dense<T>& d_head = config_.tie_word_embeddings ? gradient.embed_tokens : gradient.lm_head;
  for (Index r = 0; r < rows; r += logit_rows) {
    const Index m = std::min(logit_rows, rows - r);
    ops::project(normalised.row_range(r, m), head(), logits.row_range(0, m));
    ops::for_rows(m, 16.0 * static_cast<double>(V), [&](Index s, Index k) {
      ops::cross_entropy(logits.row_range(s, k), target.row_range(r + s, k), static_cast<T>(options.weight * mean),
                         View<T, 1>(loss.data() + r + s, {k}));
    });
    ops::project_vjp(normalised.row_range(r, m), head(), logits.row_range(0, m), tape.d_norm_out_.row_range(r, m),
                     d_head);
  }
  T sum = 0;
  ops::add_column_sums(T(1), loss, View<T, 1>(&sum, {1}));
  tape.complete_ = true;
  return static_cast<double>(sum) * mean;
}

template <class T>
void BasicModel<T>::backward(const Tape& tape, State& d_state, Workspace& work, Params& gradient) const {
  require<ShapeError>(tape.complete_ && tape.config_ == config_,
                      "expected the tape of a forward pass of such a model, found one without");
  require<ShapeError>(d_state.batch() == tape.streams_.count(), "expected a state of the tape's ",
                      tape.streams_.count(), " streams, found ", d_state.batch());
  check_state(d_state);
  detail::check_gradient(params_, gradient, "model gradient");
  const FloatEnvironment environment;
  Frame frame(work);
  for (std::size_t i = 0; i < params_.layers.size(); ++i) {
    Frame block_frame(work);
    detail::check_cotangent(block(i), tape.blocks_[i], block_streams(block_frame, d_state, i), work);
  }
  const View<T> dX = frame.zeros<T, 2>(tape.norm_x_.shape());
  ops::rms_norm_rows_vjp<T>(tape.norm_x_, params_.norm, config_.rms_norm_eps, tape.d_norm_out_, dX, gradient.norm,
                            work);
  for (std::size_t i = params_.layers.size(); i-- > 0;) {
    Frame block_frame(work);
    detail::backward(block(i), tape.blocks_[i], tape.streams_, block_streams(block_frame, d_state, i), dX,
                     gradient.layers[i], work);
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
    Frame frame(work);
    detail::start_vjp(block(i), block_streams(frame, d_state, i), gradient.layers[i], work);
  }
}

template class BasicModel<float>;
template class BasicModel<double>;

}  // namespace ttt
