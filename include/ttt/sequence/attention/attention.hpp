// SPDX-License-Identifier: MIT
// Causal softmax attention as a sequence layer: TTT's rival, in the same frame.
#pragma once

#include "ttt/sequence/attention/backward.hpp"
#include "ttt/sequence/layer.hpp"

namespace ttt {

namespace sequence {

/// See `SequenceLayer` for what the members do.
template <class T>
struct Attention {
  using Scalar = T;
  using Config = AttentionConfig;
  using Params = AttentionParams<T>;
  using Stream = AttentionStream<T>;
  using Tables = ops::AbsoluteRotary<T>;
  using Ref = detail::AttentionRef<T>;
  using Record = detail::AttentionRecord<T>;

  static Config resolved(const Config& config) { return ttt::resolved(config); }

  static Tables tables(const Config& config) { return Tables(*config.head_dim, config.rope_theta); }

  static void check_stream(const Config& config, const Stream& stream) {
    const Index in_use = stream.count(), kept = static_cast<Index>(stream.pages.size());
    require<ShapeError>(stream.position >= 0 && stream.first_page >= 0 && 0 <= in_use && in_use <= kept,
                        "expected a state with pages for its position, found position ", stream.position,
                        " with pages ", stream.first_page, " to ", stream.first_page + kept);
    const Index seen = Stream::first_visible_page(config, stream.position);
    require<ShapeError>(stream.first_page <= seen, "expected a state that keeps all pages from ", seen,
                        " on, which the window sees, found pages from ", stream.first_page, " on");
    const Shape<3> shape{*config.num_key_value_heads, Stream::Page::size, *config.head_dim};
    for (const typename Stream::Page& page : stream.pages) {
      require<ShapeError>(page.values.shape() == shape && page.keys.size() == page.values.size(),
                          "expected a state of this layer, with values ", detail::text(shape), ", found ",
                          detail::text(page.values.shape()));
    }
  }

  static void start(const Ref&, Stream& stream) { set_zero_stream(stream); }

  static void start_vjp(const Ref&, StreamPointers<Attention>, Params&) {}

  static void resize_losses(const Config&, Index, Index, InnerLosses<T>& losses) { losses = {}; }

  static void forward(const Ref& layer, View<const T> x, const Streams& rows, StreamPointers<Attention> streams,
                      const ForwardOptions<T>&, Index, View<T> y, Workspace& work) {
    Frame frame(work);
    const auto a = detail::AttentionActivations<T>::take(frame, layer.config, rows, streams, x);
    detail::forward(layer, a, streams, y, work, [](Index) {});
  }

  static Record forward_recorded(const Ref& layer, View<const T> x, const Streams& rows,
                                 StreamPointers<Attention> streams, const ForwardOptions<T>&, Frame& tape, View<T> y,
                                 Workspace& work) {
    const auto a = detail::AttentionActivations<T>::take(tape, layer.config, rows, streams, x);
    const Record record{a, detail::AttentionPages<T>::take(tape, layer, rows, a.positions)};
    detail::forward(layer, a, streams, y, work, [&](Index i) { record.pages.copy_from(*streams[i], i); });
    return record;
  }

  static void check_cotangent(const Record& record, StreamPointers<Attention> d_streams) {
    for (Index i = 0; i < d_streams.size(); ++i) {
      const Index end = record.a.positions[i] + record.a.rows.length(i), found = d_streams[i]->position;
      require<ShapeError>(found == end || found == 0, "expected the cotangent of a state of ", end,
                          " tokens, or one of zeros, found one of ", found);
    }
  }

  static void backward(const Ref& layer, const Record& record, View<const T> dy, StreamPointers<Attention> d_streams,
                       View<T> dx, Params& d_params, Workspace& work) {
    detail::backward(layer, record, dy, d_streams, dx, d_params, work);
  }

  static Index state_bytes(const Config& config, Index position) {
    Stream stream;
    stream.position = position;
    stream.first_page = Stream::first_visible_page(config, position);
    return stream.count() * 2 * Stream::Page::size * *config.num_key_value_heads * *config.head_dim *
           static_cast<Index>(sizeof(T));
  }

  static double operations(const Config& config, Index position) {
    const auto C = static_cast<double>(config.hidden_size), D = static_cast<double>(*config.head_dim);
    const auto H = static_cast<double>(config.num_heads), G = static_cast<double>(*config.num_key_value_heads);
    const Index seen = config.window ? std::min(*config.window, position + 1) : position + 1;
    return 4 * C * D * (H + G) + 4 * H * D * static_cast<double>(seen);
  }
};

}  // namespace sequence

template <class T>
using Attention = Layer<sequence::Attention<T>>;

extern template class TTT_EXPORT Layer<sequence::Attention<float>>;
extern template class TTT_EXPORT Layer<sequence::Attention<double>>;

}  // namespace ttt
