// SPDX-License-Identifier: MIT
// Rows of the limits themselves.
#include <thread>

#include "summary/summary.hpp"

namespace ttt::bench {
namespace {

template <class F>
Spread several(const F& number) {
  std::vector<double> all;
  for (int i = 0; i < 9; ++i) all.push_back(number());
  return Spread(all);
}

}  // namespace

void add_limit_rows(std::vector<Row>& rows) {
  rows.push_back({"clock", "GHz", [] { return several([] { return peak_now(widest()).clock / 1e9; }); }});
  rows.push_back({"peak", "GFLOP/s", [] { return several([] { return peak_now(widest()).flop / 1e9; }); }});
  rows.push_back({"multiply_adds_per_cycle", "per cycle", [] { return exactly(multiply_adds_per_cycle(widest())); }});
  rows.push_back({"read_bandwidth", "GB/s", [] { return several([] { return read_bandwidth_now(1) / 1e9; }); }});
  if (std::thread::hardware_concurrency() >= 2) {
    rows.push_back({"cores_2", "times one core", [] { return several([] { return cores_now(2); }); }});
  }
}

}  // namespace ttt::bench
