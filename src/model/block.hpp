// SPDX-License-Identifier: MIT
// The passes of a residual block over the rows of a batch, whatever sequence layer it runs.
#pragma once

#include "ttt/model/block.hpp"
#include "ttt/model/state.hpp"
#include "ttt/ops/norm.hpp"
#include "ttt/ops/project.hpp"

namespace ttt::detail {

/// What the block functions read.
template <class T>
struct BlockRef {
  const ModelConfig& config;
  const SequenceConfig& layer;  // complete
  const BlockParams<T>& params;
  const sequence::AnyTables<T>& tables;

  /// f(At<S, number>(), the S::Ref of the layer)
  template <class F>
  decltype(auto) with_layer(const F& f) const {
    return sequence::with_config<T>(
        layer, [&]<class S, std::size_t number>(sequence::At<S, number> at, const auto& config_of_layer) {
          return f(at, typename S::Ref{config_of_layer, std::get<number>(params.seq_modeling_block),
                                       std::get<number>(tables)});
        });
  }
};

template <class T>
using BlockStreams = View<BlockStream<T>*, 1>;

/// The sequence layer's part of all streams.
template <class S, std::size_t number, class T>
StreamPointers<S> layer_streams(sequence::At<S, number>, Frame& frame, BlockStreams<T> streams) {
  const StreamPointers<S> all = frame.take<typename S::Stream*, 1>({streams.size()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &std::get<number>(streams[i]->layer);
  return all;
}

/// The shape of the front convolution's tails.
inline Shape<2> front_tail(const ModelConfig& config) {
  return {config.pre_conv ? config.conv_kernel - 1 : 0, config.pre_conv ? config.hidden_size : 0};
}

template <class T>
BlockStream<T> zero_stream(const BlockRef<T>& block) {
  return block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number>, const typename S::Ref& layer) {
    return BlockStream<T>{sequence::AnyStream<T>(std::in_place_index<number>, S::Stream::zeros(layer.config)),
                          block.config.pre_conv ? Tensor<T, 2>(front_tail(block.config)) : Tensor<T, 2>()};
  });
}

/// Throws ShapeError unless the stream is one of this block.
template <class T>
void check_stream(const BlockRef<T>& block, const BlockStream<T>& stream) {
  const Shape<2> tail = front_tail(block.config);
  require<ShapeError>(stream.conv_tail.shape() == tail, "expected a state with tails ", text(tail),
                      " of the front convolutions, found ", text(stream.conv_tail.shape()));
  block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number>, const typename S::Ref& layer) {
    require<ShapeError>(stream.layer.index() == number, "expected a state of layers of type ", name(block.layer.type),
                        ", found another");
    S::check_stream(layer.config, std::get<number>(stream.layer));
  });
}

template <class T>
void start(const BlockRef<T>& block, BlockStream<T>& stream) {
  block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number>, const typename S::Ref& layer) {
    S::start(layer, std::get<number>(stream.layer));
  });
  fill(stream.conv_tail.view(), T(0));
}

/// Adjoint of `start`.
template <class T>
void start_vjp(const BlockRef<T>& block, BlockStreams<T> d_streams, BlockParams<T>& d_params, Workspace& work) {
  block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number> at, const typename S::Ref& layer) {
    Frame frame(work);
    S::start_vjp(layer, layer_streams(at, frame, d_streams), std::get<number>(d_params.seq_modeling_block));
  });
}

/// X [rows, C] becomes the block's output; `a` is filled. run_layer(in, out) is the sequence layer on normalised rows.
template <class T, class RunLayer>
void block_forward(const BlockRef<T>& block, const BlockActivations<T>& a, const Streams& rows, BlockStreams<T> streams,
                   View<T> X, Workspace& work, const RunLayer& run_layer) {
  Frame frame(work);
  const BlockParams<T>& p = block.params;
  const double epsilon = block.config.rms_norm_eps;
  const View<T> out = frame.take<T, 2>({X.rows(), X.cols()});
  if (block.config.pre_conv) {
    copy<T, 2>(X, a.conv_x);
    ops::rms_norm_rows<T>(X, p.conv_norm, epsilon, out);
    ops::with_tails(out, rows, a.u, [&](Index i) { return streams[i]->conv_tail.view(); });
    ops::convolve<T>(p.conv, a.u, rows, out, work);
    ops::add_rows(out, X);
  }
  copy<T, 2>(X, a.seq_x);
  ops::rms_norm_rows<T>(X, p.seq_norm, epsilon, a.seq_in);
  run_layer(View<const T>(a.seq_in), out);
  ops::add_rows(out, X);

  copy<T, 2>(X, a.ffn_x);
  ops::rms_norm_rows<T>(X, p.ffn_norm, epsilon, a.ffn_in);
  ops::project<T>(a.ffn_in, {{p.gate_proj, a.gate}, {p.up_proj, a.up}});
  const View<T> hidden = frame.take<T, 2>({a.gate.rows(), a.gate.cols()});
  ops::for_rows(X.rows(), 16.0 * static_cast<double>(hidden.cols()), [&](Index r, Index m) {
    ops::silu_gate(a.gate.row_range(r, m), a.up.row_range(r, m), hidden.row_range(r, m));
  });
  ops::project(hidden, p.down_proj, out);
  ops::add_rows(out, X);
}

/// The block without a record.
template <class T>
void forward(const BlockRef<T>& block, const Streams& rows, BlockStreams<T> streams, const ForwardOptions<T>& options,
             Index time, View<T> X, Workspace& work) {
  Frame frame(work);
  const auto a = BlockActivations<T>::take(frame, block.config, rows);
  block_forward(block, a, rows, streams, X, work, [&](View<const T> in, View<T> out) {
    block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number> at, const typename S::Ref& layer) {
      Frame layer_frame(work);
      S::forward(layer, in, rows, layer_streams(at, layer_frame, streams), options, time, out, work);
    });
  });
}

/// The same, and what `backward` needs, in the memory of `tape`.
template <class T>
BlockRecord<T> forward_recorded(const BlockRef<T>& block, const Streams& rows, BlockStreams<T> streams,
                                const ForwardOptions<T>& options, View<T> X, Frame& tape, Workspace& work) {
  BlockRecord<T> record{BlockActivations<T>::take(tape, block.config, rows), {}};
  block_forward(block, record.a, rows, streams, X, work, [&](View<const T> in, View<T> out) {
    block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number> at, const typename S::Ref& layer) {
      Frame layer_frame(work);
      record.layer.template emplace<number>(
          S::forward_recorded(layer, in, rows, layer_streams(at, layer_frame, streams), options, tape, out, work));
    });
  });
  return record;
}

/// Throws ShapeError unless the streams can be cotangents of the state after the recorded pass.
template <class T>
void check_cotangent(const BlockRef<T>& block, const BlockRecord<T>& record, BlockStreams<T> d_streams,
                     Workspace& work) {
  block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number> at, const typename S::Ref&) {
    Frame frame(work);
    S::check_cotangent(std::get<number>(record.layer), layer_streams(at, frame, d_streams));
  });
}

/// Adjoint: dX, the cotangent of the output, becomes that of the input; d_params is added to.
template <class T>
void backward(const BlockRef<T>& block, const BlockRecord<T>& record, const Streams& rows, BlockStreams<T> d_streams,
              View<T> dX, BlockParams<T>& d_params, Workspace& work) {
  const BlockParams<T>& p = block.params;
  const BlockActivations<T>& a = record.a;
  const double epsilon = block.config.rms_norm_eps;
  const Index n = dX.rows(), C = dX.cols(), I = a.gate.cols();
  {
    Frame frame(work);
    const View<T> hidden = frame.take<T, 2>({n, I}), d_hidden = frame.zeros<T, 2>({n, I});
    const View<T> d_gate = frame.take<T, 2>({n, I}), d_up = frame.take<T, 2>({n, I});
    const View<T> d_in = frame.zeros<T, 2>({n, C});
    ops::for_rows(n, 16.0 * static_cast<double>(I), [&](Index r, Index m) {
      ops::silu_gate(a.gate.row_range(r, m), a.up.row_range(r, m), hidden.row_range(r, m));
    });
    ops::project_vjp(hidden, p.down_proj, dX, d_hidden, d_params.down_proj);
    ops::for_rows(n, 16.0 * static_cast<double>(I), [&](Index r, Index m) {
      const auto part = [&](const auto& view) { return view.row_range(r, m); };
      ops::silu_gate_vjp(part(a.gate), part(a.up), part(d_hidden), part(d_gate), part(d_up));
    });
    ops::project_vjp(a.ffn_in, p.gate_proj, d_gate, d_in, d_params.gate_proj);
    ops::project_vjp(a.ffn_in, p.up_proj, d_up, d_in, d_params.up_proj);
    ops::rms_norm_rows_vjp<T>(a.ffn_x, p.ffn_norm, epsilon, d_in, dX, d_params.ffn_norm, work);
  }
  Frame frame(work);
  const View<T> d_in = frame.zeros<T, 2>({n, C});
  block.with_layer([&]<class S, std::size_t number>(sequence::At<S, number> at, const typename S::Ref& layer) {
    Frame layer_frame(work);
    S::backward(layer, std::get<number>(record.layer), View<const T>(dX), layer_streams(at, layer_frame, d_streams),
                d_in, std::get<number>(d_params.seq_modeling_block), work);
  });
  ops::rms_norm_rows_vjp<T>(a.seq_x, p.seq_norm, epsilon, d_in, dX, d_params.seq_norm, work);
  if (block.config.pre_conv) {
    const View<T> du = frame.zeros<T, 2>(a.u.shape());
    ops::convolve_vjp<T>(p.conv, a.u, rows, dX, du, d_params.conv, work);
    ops::with_tails_vjp(du, rows, d_in, [&](Index i) { return d_streams[i]->conv_tail.view(); });
    ops::rms_norm_rows_vjp<T>(a.conv_x, p.conv_norm, epsilon, d_in, dX, d_params.conv_norm, work);
  }
}

}  // namespace ttt::detail
