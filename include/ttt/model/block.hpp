// SPDX-License-Identifier: MIT
// What a residual block computes and keeps: [X += conv(RMS(X))], X += layer(RMS(X)), X += SwiGLU(RMS(X)).
#pragma once

#include "ttt/model/params.hpp"

namespace ttt::detail {

/// What one forward pass of a block computes. [rows, C] and [rows, I]
template <class T>
struct BlockActivations {
  View<T> conv_x, seq_x, ffn_x;  // inputs of the three norms
  View<T> u;                     // inputs of the front convolution: normalised, with tails; pre_conv
  View<T> seq_in, ffn_in;        // normalised
  View<T> gate, up;              // before silu

  static BlockActivations take(Frame& frame, const ModelConfig& config, const Streams& rows) {
    const Index n = rows.rows(), C = config.hidden_size, I = *config.intermediate_size;
    BlockActivations a;
    if (config.pre_conv) {
      a.conv_x = frame.take<T, 2>({n, C});
      a.u = frame.take<T, 2>({ops::rows_with_tails(rows, config.conv_kernel - 1), C});
    }
    for (View<T>* view : {&a.seq_x, &a.ffn_x, &a.seq_in, &a.ffn_in}) *view = frame.take<T, 2>({n, C});
    for (View<T>* view : {&a.gate, &a.up}) *view = frame.take<T, 2>({n, I});
    return a;
  }
};

/// What a block's backward pass needs of its forward pass.
template <class T>
struct BlockRecord {
  BlockActivations<T> a;
  sequence::AnyRecord<T> layer;
};

}  // namespace ttt::detail
