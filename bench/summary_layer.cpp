// SPDX-License-Identifier: MIT
// Rows of whole layers over 2048 tokens: one thread against the peak, and two threads against one.
#include <thread>

#include "busy_neighbours.hpp"
#include "layer_forward.hpp"
#include "summary.hpp"
#include "with_isa.hpp"

namespace ttt::bench {
namespace {

using Linear = LinearModel<float>;
using Mlp = MlpModel<float>;

constexpr Index tokens = 2048;

template <InnerModel M>
Spread layer(Isa isa, Index hidden_size, Index heads) {
  LayerForward<M> forward(hidden_size, heads, tokens);
  return share_of_peak(isa, forward.flop(), [&] { forward.run(); });
}

template <InnerModel M>
Spread speedup(Index hidden_size, Index heads) {
  LayerForward<M> forward(hidden_size, heads, tokens);
  const auto on = [&](Index n) {
    set_threads(n);
    forward.run();
    set_threads(1);
  };
  return ratio(
      wall_seconds, 1, [&] { on(1); }, [&] { on(2); });
}

/// Of the layer that gains the least.
Spread least_speedup() {
  const Spread all[] = {speedup<Linear>(768, 12), speedup<Mlp>(768, 12), speedup<Linear>(2048, 32),
                        speedup<Mlp>(2048, 32)};
  return *std::min_element(std::begin(all), std::end(all),
                           [](const Spread& a, const Spread& b) { return a.value < b.value; });
}

}  // namespace

void add_layer_rows(std::vector<Row>& rows) {
  rows.push_back({"layer_linear_768", "of peak", [] { return layer<Linear>(widest(), 768, 12); }});
  rows.push_back({"layer_mlp_768", "of peak", [] { return layer<Mlp>(widest(), 768, 12); }});
  rows.push_back({"layer_linear_2048", "of peak", [] { return layer<Linear>(widest(), 2048, 32); }});
  rows.push_back({"layer_mlp_2048", "of peak", [] { return layer<Mlp>(widest(), 2048, 32); }});
  if (supported(Isa::avx2)) {
    rows.push_back({"avx2_layer_linear_768", "of AVX2 peak", [] {
                      const WithIsa avx2(Isa::avx2);
                      return layer<Linear>(Isa::avx2, 768, 12);
                    }});
  }
}

void add_thread_rows(std::vector<Row>& rows) {
  if (std::thread::hardware_concurrency() < 2) return;
  rows.push_back({"threads_2", "times one thread", least_speedup});
  rows.push_back({"threads_2_busy", "times one thread", [] {
                    const BusyNeighbours neighbours;
                    return least_speedup();
                  }});
}

}  // namespace ttt::bench
