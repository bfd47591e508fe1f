// SPDX-License-Identifier: MIT
// TTT as a sequence layer: TttLinear, TttMlp, or Ttt<M> with an inner model of your own.
#pragma once

#include "ttt/inner/linear.hpp"
#include "ttt/inner/mlp.hpp"
#include "ttt/sequence/layer.hpp"
#include "ttt/sequence/ttt/backward.hpp"

namespace ttt {

namespace detail {

/// Throws ConfigError unless the inner model's maps fit together and into a head.
template <InnerModel M>
void check_inner_model(Index head_dim) {
  Index width = head_dim;
  for (const inner::AffineShape& shape : M::shapes(head_dim)) {
    require<ConfigError>(shape.in == width && shape.out > 0, "inner model: expected a map of input width ", width,
                         ", found ", shape.in, " to ", shape.out);
    width = shape.out;
  }
  require<ConfigError>(width == head_dim, "inner model: expected a last map of output width ", head_dim, ", found ",
                       width);
}

}  // namespace detail

namespace sequence {

/// See `SequenceLayer` for what the members do.
template <InnerModel M>
struct Ttt {
  using Scalar = typename M::Scalar;
  using Inner = M;
  using Config = TttConfig;
  using Params = TttParams<M>;
  using Stream = TttStream<M>;
  using Tables = Tensor<Scalar, 2>;  // cosines and sines of the positions of a mini-batch
  using Ref = detail::TttRef<M>;
  using Record = detail::TttRecord<M>;

  static Config resolved(Config config) {
    validate(config);
    detail::check_inner_model<M>(config.head_dim());
    if (!config.base_lr) config.base_lr = M::default_base_lr;
    return config;
  }

  static Tables tables(const Config& config) {
    if (!config.parts.rotary) return {};
    return ops::rotary_table<Scalar>(config.mini_batch_size, config.head_dim(), config.rope_theta);
  }

  static void check_stream(const Config& config, const Stream& stream) {
    require<ShapeError>(stream.position >= 0, "expected a state at a position of at least 0, found ", stream.position);
    const auto shapes = M::shapes(config.head_dim());
    for (std::size_t i = 0; i < M::depth; ++i) {
      const Index H = config.num_heads, b = config.mini_batch_size;
      const auto& [W, bias, X, G] = stream.maps[i];
      const bool fits = W.shape() == Shape<3>{H, shapes[i].in, shapes[i].out} &&
                        bias.shape() == Shape<3>{H, 1, shapes[i].out} && X.shape() == Shape<3>{H, b, shapes[i].in} &&
                        G.shape() == Shape<3>{H, b, shapes[i].out};
      require<ShapeError>(fits, "expected a state of this layer, with W", i + 1, " for ", H, " heads, ", shapes[i].in,
                          " to ", shapes[i].out, ", and mini-batches of ", b, ", found W", i + 1, " of shape ",
                          detail::text(W.shape()), " and X", i + 1, " of ", detail::text(X.shape()));
    }
    const Shape<2> tail{config.share_qk ? config.conv_kernel - 1 : 0, config.share_qk ? config.hidden_size : 0};
    require<ShapeError>(stream.conv_tail.shape() == tail, "expected a state of this layer, with convolution tail ",
                        detail::text(tail), ", found ", detail::text(stream.conv_tail.shape()));
  }

  static void start(const Ref& layer, Stream& stream) {
    set_zero_stream(stream);
    for (Index h = 0; h < layer.config.num_heads; ++h) detail::copy_initial_weights<M>(layer, h, stream.head(h));
  }

  static void start_vjp(const Ref& layer, StreamPointers<Ttt> d_streams, Params& d_params) {
    if (!layer.config.parts.learned_w0) return;
    const auto row = [](Tensor<Scalar, 3>& t) { return View<Scalar>(t.data(), {1, t.size()}); };
    for (std::size_t i = 0; i < M::depth; ++i) {
      for (Tensor<Scalar, 3> Stream::Map::*part : {&Stream::Map::W, &Stream::Map::b}) {
        // In a binary tree over streams.
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

  static void resize_losses(const Config& config, Index batch, Index time, InnerLosses<Scalar>& losses) {
    losses.resize({batch, config.num_heads, time});
  }

  static void forward(const Ref& layer, View<const Scalar> x, const Streams& rows, StreamPointers<Ttt> streams,
                      const ForwardOptions<Scalar>& options, Index time, View<Scalar> y, Workspace& work) {
    Frame frame(work);
    const auto a = detail::TttActivations<Scalar>::take(frame, layer.config, rows, x);
    const auto nobody = [](Index, const inner::MiniBatch<Scalar>&, const inner::HeadState<M>&) {};
    detail::forward<M>(layer, a, streams, options, time, y, work, [&](Index, Index) { return nobody; });
  }

  static Record forward_recorded(const Ref& layer, View<const Scalar> x, const Streams& rows,
                                 StreamPointers<Ttt> streams, const ForwardOptions<Scalar>& options, Frame& tape,
                                 View<Scalar> y, Workspace& work) {
    const Record record = Record::take(tape, layer.config, streams, rows, x, options.inner_lr);
    detail::forward<M>(layer, record.a, streams, options, 0, y, work,
                       [&](Index i, Index h) { return record.saver(i, h); });
    return record;
  }

  static void check_cotangent(const Record&, StreamPointers<Ttt>) {}  // of any position

  static void backward(const Ref& layer, const Record& record, View<const Scalar> dy, StreamPointers<Ttt> d_streams,
                       View<Scalar> dx, Params& d_params, Workspace& work) {
    detail::backward<M>(layer, record, dy, d_streams, dx, d_params, work);
  }

  static Index state_bytes(const Config& config, Index) {
    const Index H = config.num_heads, b = config.mini_batch_size;
    Index numbers = config.share_qk ? (config.conv_kernel - 1) * config.hidden_size : 0;
    for (const inner::AffineShape& map : M::shapes(config.head_dim())) {
      numbers += H * (map.in * map.out + map.out + b * (map.in + map.out));
    }
    return numbers * static_cast<Index>(sizeof(Scalar));
  }

  static double operations(const Config& config, Index) {
    const auto C = static_cast<double>(config.hidden_size), H = static_cast<double>(config.num_heads);
    return (config.use_gate ? 10 : 8) * C * C + H * detail::operations_of_token<M>(config.head_dim());
  }
};

}  // namespace sequence

template <InnerModel M>
using Ttt = Layer<sequence::Ttt<M>>;
template <InnerModel M>
using TttState = State<TttStream<M>>;
template <InnerModel M>
using TttTape = LayerTape<sequence::Ttt<M>>;

template <class T>
using TttLinear = Ttt<inner::Linear<T>>;
template <class T>
using TttMlp = Ttt<inner::Mlp<T>>;

extern template class TTT_EXPORT Layer<sequence::Ttt<inner::Linear<float>>>;
extern template class TTT_EXPORT Layer<sequence::Ttt<inner::Linear<double>>>;
extern template class TTT_EXPORT Layer<sequence::Ttt<inner::Mlp<float>>>;
extern template class TTT_EXPORT Layer<sequence::Ttt<inner::Mlp<double>>>;

}  // namespace ttt
