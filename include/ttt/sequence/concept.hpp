// SPDX-License-Identifier: MIT
// What a sequence layer is: rows of a batch in, rows out, and a memory of every stream in between.
//
// A layer of your own is a struct with the members below. `Layer` makes it usable by itself, and one line in the list
// of any.hpp makes it a layer of language models, with all that they can do.
#pragma once

#include <concepts>
#include <utility>

#include "ttt/base/workspace.hpp"
#include "ttt/ops/parameters.hpp"
#include "ttt/ops/streams.hpp"
#include "ttt/sequence/options.hpp"
#include "ttt/sequence/state.hpp"

namespace ttt {

/// What one stream remembers: values by name, its position among them.
template <class Stream>
concept StreamMemory = std::copyable<Stream> && requires(Stream& stream, const Stream& other) {
  { stream.position } -> std::same_as<Index&>;
  Stream::visit(detail::VisitNothing(), stream);
  Stream::visit(detail::VisitNothing(), stream, other);
};

/// The streams of a batch in one layer.
template <class S>
using StreamPointers = View<typename S::Stream*, 1>;

/// A layer over the rows of a batch. All members are static: weights are in Params, memory is in Stream. What each does
/// stands with it in concept.hpp.
template <class S>
concept SequenceLayer = Parameters<typename S::Params> && StreamMemory<typename S::Stream> &&
    std::equality_comparable<typename S::Config> &&
    requires(const typename S::Config& config, typename S::Config resolved, const typename S::Params& params,
             const typename S::Tables& tables, const typename S::Ref& layer, typename S::Stream& stream,
             const typename S::Stream& seen, typename S::Params& d_params, const typename S::Record& record, Rng& rng,
             View<const typename S::Scalar> x, View<typename S::Scalar> y, const Streams& rows,
             StreamPointers<S> streams, const ForwardOptions<typename S::Scalar>& options,
             InnerLosses<typename S::Scalar>& losses, Index time, double deviation, Frame& tape, Workspace& work) {
  /// Of the rows, in and out.
  { config.hidden_size } -> std::convertible_to<Index>;
  /// The configuration with all defaults that depend on others filled in. Throws ConfigError.
  { S::resolved(config) } -> std::same_as<typename S::Config>;
  { S::Params::zeros(config) } -> std::same_as<typename S::Params>;
  { S::Params::random(config, deviation, rng) } -> std::same_as<typename S::Params>;

  /// What is computed once for a configuration, such as rotary tables.
  { S::tables(config) } -> std::same_as<typename S::Tables>;
  /// What the functions below read.
  (typename S::Ref{config, params, tables});

  /// One stream with nothing read, of zeros: also a cotangent to begin with.
  { S::Stream::zeros(config) } -> std::same_as<typename S::Stream>;
  /// Throws ShapeError unless the stream is one of a layer of this configuration.
  S::check_stream(config, seen);
  /// Puts a stream to position 0.
  S::start(layer, stream);
  /// Adjoint of `start`: adds the streams' cotangents to d_params.
  S::start_vjp(layer, streams, d_params);

  /// y = the layer's output for x, which continues every stream. With options.losses, this call's tokens begin at
  /// `time` there.
  S::forward(layer, x, rows, streams, options, time, y, work);
  /// The same, and what `backward` needs, in the memory of `tape`. x outlives the record.
  { S::forward_recorded(layer, x, rows, streams, options, tape, y, work) } -> std::same_as<typename S::Record>;
  /// Throws ShapeError unless the streams can be cotangents of the state after the recorded pass.
  S::check_cotangent(record, streams);
  /// Adjoint of `forward`: adds to dx (here y) and d_params; the streams' cotangents go from those after it to those
  /// before it.
  S::backward(layer, record, x, streams, y, d_params, work);

  /// Gives `losses` the shape for so many streams (first) and tokens (second), empty without inner models.
  S::resize_losses(config, time, time, losses);

  /// What a stream takes in memory after so many tokens.
  { S::state_bytes(config, time) } -> std::same_as<Index>;
  /// Multiplications and additions of one token at such a position, roughly.
  { S::operations(config, time) } -> std::same_as<double>;
};

}  // namespace ttt
