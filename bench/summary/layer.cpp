// SPDX-License-Identifier: MIT
// Rows of whole layers over 2048 tokens: one thread against the peak, and two threads against one.
#include <thread>

#include "busy_neighbours.hpp"
#include "layer_forward.hpp"
#include "summary/summary.hpp"
#include "with_isa.hpp"

namespace ttt::bench {
namespace {

using Linear = inner::Linear<float>;
using Mlp = inner::Mlp<float>;

constexpr Index tokens = 2048;

template <InnerModel M>
Spread layer(Isa isa, Index hidden_size, Index heads) {
  LayerForward<M> forward(hidden_size, heads, tokens);
  return share_of_peak(isa, forward.flop(), [&] { forward.run(); });
}

/// Seconds of one thread over those of two. Beside busy neighbours everything counts, otherwise what was measured while
/// the machine ran two threads at the rate of two cores.
template <InnerModel M>
Spread speedup(Index hidden_size, Index heads, bool busy) {
  LayerForward<M> forward(hidden_size, heads, tokens);
  const auto seconds_on = [&](Index n) {
    set_threads(n);
    const double seconds = time_of(wall_seconds, [&] { forward.run(); });
    set_threads(1);
    return seconds;
  };
  const auto two_cores = [&] { return busy || cores_now(2) >= 2 * undisturbed_share; };
  seconds_on(2);  // warms up
  bool before = two_cores();
  return spread_of_undisturbed(1, [&](const auto& add) {
    const double on_one = seconds_on(1), on_two = seconds_on(2);
    const bool after = two_cores();
    add(on_one / on_two, before && after);
    before = after;
  });
}

/// Of the layer that gains the least.
Spread least_speedup(bool busy) {
  const Spread all[] = {speedup<Linear>(768, 12, busy), speedup<Mlp>(768, 12, busy), speedup<Linear>(2048, 32, busy),
                        speedup<Mlp>(2048, 32, busy)};
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
  rows.push_back({"threads_2", "times one thread", [] { return least_speedup(false); }});
  rows.push_back({"threads_2_busy", "times one thread", [] {
                    const BusyNeighbours neighbours;
                    return least_speedup(true);
                  }});
}

}  // namespace ttt::bench
