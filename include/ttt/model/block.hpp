// SPDX-License-Identifier: MIT
// A residual block: [X += conv(RMS(X))], X += TTT(RMS(X)), X += SwiGLU(RMS(X)). Spec section 9.
#pragma once

#include <variant>

#include "ttt/sequence/ttt/layer.hpp"

namespace ttt {

/// Parameters of one block, under the names of the official checkpoints. C = hidden_size, I = intermediate_size.
template <class T>
struct BlockParams {
  using Sequence = std::variant<LayerParams<LinearModel<T>>, LayerParams<MlpModel<T>>>;

  Tensor<T, 1> conv_norm;  // [C]; this and conv: pre_conv
  ConvParams<T> conv;
  Tensor<T, 1> seq_norm, ffn_norm;  // [C]
  Sequence seq_modeling_block;      // the TTT layer
  Dense<T> gate_proj, up_proj;      // [I, C]
  Dense<T> down_proj;               // [C, I]

  template <class F, class First, class... Rest>
  static void visit(F f, First& first, Rest&... rest) {
    if (!first.conv_norm.empty()) {
      f("conv.norm.weight", first.conv_norm, rest.conv_norm...);
      f("conv.conv.weight", first.conv.weight, rest.conv.weight...);
      f("conv.conv.bias", first.conv.bias, rest.conv.bias...);
    }
    f("seq_norm.weight", first.seq_norm, rest.seq_norm...);
    f("ffn_norm.weight", first.ffn_norm, rest.ffn_norm...);
    std::visit(
        [&](auto& layer) {
          using Layer = std::remove_cvref_t<decltype(layer)>;
          Layer::visit([&](const auto& name, auto&... t) { f(detail::Name("seq_modeling_block.", name), t...); }, layer,
                       std::get<Layer>(rest.seq_modeling_block)...);
        },
        first.seq_modeling_block);
    f("mlp.gate_proj.weight", first.gate_proj, rest.gate_proj...);
    f("mlp.up_proj.weight", first.up_proj, rest.up_proj...);
    f("mlp.down_proj.weight", first.down_proj, rest.down_proj...);
  }
};

/// What one block remembers of one stream.
template <class T>
struct BlockState {
  std::variant<StreamState<LinearModel<T>>, StreamState<MlpModel<T>>> layer;
  Tensor<T, 2> conv_tail;  // [conv_kernel - 1, C]: last normalised inputs of the front convolution; pre_conv
};

namespace detail {

/// What the block functions read.
template <class T>
struct BlockRef {
  const ModelConfig& config;
  const LayerConfig& layer;
  const BlockParams<T>& params;
  View<const T> rotary;

  template <class M>
  LayerRef<M> layer_of() const {
    return {layer, std::get<LayerParams<M>>(params.seq_modeling_block), rotary};
  }
};

template <class T>
using BlockStreams = View<BlockState<T>*, 1>;

/// What one forward pass of a block computes. [rows, C] and [rows, I]
template <class T>
struct BlockActivations {
  View<T> conv_x, seq_x, ffn_x;  // inputs of the three norms
  View<T, 3> u;                  // [streams, conv_kernel - 1 + n, C]: normalised, with tails; pre_conv
  View<T> seq_in, ffn_in;        // normalised
  View<T> gate, up;              // before silu

  static BlockActivations take(Frame& frame, const ModelConfig& config, Index streams, Index rows) {
    const Index C = config.hidden_size, I = *config.intermediate_size;
    BlockActivations a;
    if (config.pre_conv) {
      a.conv_x = frame.take<T, 2>({rows, C});
      a.u = frame.take<T, 3>({streams, config.conv_kernel - 1 + rows / streams, C});
    }
    for (View<T>* view : {&a.seq_x, &a.ffn_x, &a.seq_in, &a.ffn_in}) *view = frame.take<T, 2>({rows, C});
    for (View<T>* view : {&a.gate, &a.up}) *view = frame.take<T, 2>({rows, I});
    return a;
  }
};

template <class T>
void rms_norm_rows(ops::In<T> x, const Tensor<T, 1>& weight, double epsilon, View<T> y) {
  for_rows(x.rows(), 4.0 * static_cast<double>(x.cols()),
           [&](Index r, Index m) { ops::rms_norm(x.rows(r, m), weight, epsilon, y.rows(r, m)); });
}

/// dx += ..., d_weight += ...
template <class T>
void rms_norm_rows_vjp(ops::In<T> x, const Tensor<T, 1>& weight, double epsilon, ops::In<T> dy, View<T> dx,
                       Tensor<T, 1>& d_weight, Workspace& work) {
  Frame frame(work);
  const View<T> weight_rows = frame.take<T, 2>({x.rows(), x.cols()});
  for_rows(x.rows(), 8.0 * static_cast<double>(x.cols()), [&](Index r, Index m) {
    ops::rms_norm_vjp(x.rows(r, m), weight, epsilon, dy.rows(r, m), dx.rows(r, m), weight_rows.rows(r, m));
  });
  add_row_sums(weight_rows, d_weight.view());
}

/// X [rows, C] becomes the block's output; `a` is filled. run_layer(in, out) is the TTT layer on normalised rows.
template <class T, class RunLayer>
void block_forward(const BlockRef<T>& block, const BlockActivations<T>& a, BlockStreams<T> streams, View<T> X,
                   Workspace& work, const RunLayer& run_layer) {
  Frame frame(work);
  const BlockParams<T>& p = block.params;
  const double epsilon = block.config.rms_norm_eps;
  const View<T> out = frame.take<T, 2>({X.rows(), X.cols()});
  if (block.config.pre_conv) {
    copy<T, 2>(X, a.conv_x);
    rms_norm_rows<T>(X, p.conv_norm, epsilon, out);
    with_tails(out, a.u, [&](Index i) { return streams[i]->conv_tail.view(); });
    convolve<T>(p.conv, a.u, out, work);
    add_rows(out, X);
  }
  copy<T, 2>(X, a.seq_x);
  rms_norm_rows<T>(X, p.seq_norm, epsilon, a.seq_in);
  run_layer(View<const T>(a.seq_in), out);
  add_rows(out, X);

  copy<T, 2>(X, a.ffn_x);
  rms_norm_rows<T>(X, p.ffn_norm, epsilon, a.ffn_in);
  project<T>(a.ffn_in, {{p.gate_proj, a.gate}, {p.up_proj, a.up}});
  const View<T> hidden = frame.take<T, 2>({a.gate.rows(), a.gate.cols()});
  for_rows(X.rows(), 16.0 * static_cast<double>(hidden.cols()),
           [&](Index r, Index m) { ops::silu_gate(a.gate.rows(r, m), a.up.rows(r, m), hidden.rows(r, m)); });
  project(hidden, p.down_proj, out);
  add_rows(out, X);
}

/// Adjoint: dX, the cotangent of the output, becomes that of the input; d_params is added to.
/// run_layer_vjp(dy, dx) is the adjoint of run_layer, adding to dx.
template <class T, class RunLayerVjp>
void block_backward(const BlockRef<T>& block, const BlockActivations<T>& a, BlockStreams<T> d_streams, View<T> dX,
                    BlockParams<T>& d_params, Workspace& work, const RunLayerVjp& run_layer_vjp) {
  const BlockParams<T>& p = block.params;
  const double epsilon = block.config.rms_norm_eps;
  const Index rows = dX.rows(), C = dX.cols(), I = a.gate.cols();
  {
    Frame frame(work);
    const View<T> hidden = frame.take<T, 2>({rows, I}), d_hidden = frame.zeros<T, 2>({rows, I});
    const View<T> d_gate = frame.take<T, 2>({rows, I}), d_up = frame.take<T, 2>({rows, I});
    const View<T> d_in = frame.zeros<T, 2>({rows, C});
    for_rows(rows, 16.0 * static_cast<double>(I),
             [&](Index r, Index m) { ops::silu_gate(a.gate.rows(r, m), a.up.rows(r, m), hidden.rows(r, m)); });
    project_vjp(hidden, p.down_proj, dX, d_hidden, d_params.down_proj);
    for_rows(rows, 16.0 * static_cast<double>(I), [&](Index r, Index m) {
      ops::silu_gate_vjp(a.gate.rows(r, m), a.up.rows(r, m), d_hidden.rows(r, m), d_gate.rows(r, m), d_up.rows(r, m));
    });
    project_vjp(a.ffn_in, p.gate_proj, d_gate, d_in, d_params.gate_proj);
    project_vjp(a.ffn_in, p.up_proj, d_up, d_in, d_params.up_proj);
    rms_norm_rows_vjp<T>(a.ffn_x, p.ffn_norm, epsilon, d_in, dX, d_params.ffn_norm, work);
  }
  Frame frame(work);
  const View<T> d_in = frame.zeros<T, 2>({rows, C});
  run_layer_vjp(View<const T>(dX), d_in);
  rms_norm_rows_vjp<T>(a.seq_x, p.seq_norm, epsilon, d_in, dX, d_params.seq_norm, work);
  if (block.config.pre_conv) {
    const View<T, 3> du = frame.zeros<T, 3>(a.u.shape());
    convolve_vjp<T>(p.conv, a.u, dX, du, d_params.conv, work);
    with_tails_vjp(du, d_in, [&](Index i) { return d_streams[i]->conv_tail.view(); });
    rms_norm_rows_vjp<T>(a.conv_x, p.conv_norm, epsilon, d_in, dX, d_params.conv_norm, work);
  }
}

/// The TTT layers of all streams in one block.
template <InnerModel M>
Streams<M> layer_streams(Frame& frame, BlockStreams<typename M::Scalar> streams) {
  const Streams<M> all = frame.take<StreamState<M>*, 1>({streams.size()});
  for (Index i = 0; i < all.size(); ++i) all[i] = &std::get<StreamState<M>>(streams[i]->layer);
  return all;
}

}  // namespace detail

}  // namespace ttt
