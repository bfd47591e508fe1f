// SPDX-License-Identifier: MIT
// The laws of sequence layers find a layer that breaks one.
#include <gtest/gtest.h>

#include "support/files.hpp"
#include "ttt/layer.hpp"
#include "ttt/testing/sequence_layer_laws.hpp"

namespace ttt {
namespace {

using Base = sequence::Attention<double>;

/// Depends on how many rows a call has.
struct DependsOnTheSplit : Base {
  static void forward(const Ref& layer, View<const double> x, const Streams& rows, StreamPointers<Base> streams,
                      const ForwardOptions<double>& options, Index time, View<double> y, Workspace& work) {
    Base::forward(layer, x, rows, streams, options, time, y, work);
    if (rows.longest() == 1) ops::scale(1 + 0x1p-52, y);
  }
};

/// Forgets the way back to the state before.
struct ForgetsTheState : Base {
  static void backward(const Ref& layer, const Record& record, View<const double> dy, StreamPointers<Base> d_streams,
                       View<double> dx, Params& d_params, Workspace& work) {
    for (Index i = 0; i < d_streams.size(); ++i) set_zero_stream(*d_streams[i]);
    Base::backward(layer, record, dy, d_streams, dx, d_params, work);
  }
};

/// Says the memory of another position.
struct SaysTooLittle : Base {
  static Index state_bytes(const Config& config, Index position) { return Base::state_bytes(config, position / 2); }
};

template <class S>
std::string broken() {
  Rng rng(3);
  return support::error_of<Error>([&] { laws::check_sequence_layer<S>({.hidden_size = 8, .num_heads = 2}, 64, rng); });
}

TEST(SequenceLayerLaws, FindWhatIsBroken) {
  EXPECT_TRUE(support::contains(broken<DependsOnTheSplit>(), "outputs of a sequence in pieces"));
  EXPECT_TRUE(support::contains(broken<ForgetsTheState>(), "cotangent of stream"));
  EXPECT_TRUE(support::contains(broken<SaysTooLittle>(), "bytes of a stream"));
}

}  // namespace
}  // namespace ttt
