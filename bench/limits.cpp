// SPDX-License-Identifier: MIT
// Takes the measure of the machine, on cores that others may be using too.
#include "limits.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "loops.hpp"
#include "timing.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt::bench {
namespace {

/// Rates of additions and of multiply-adds, per second, one after the other. Both together take a quarter of a
/// millisecond, less than a CPU needs to change its clock.
struct Slice {
  double additions, multiply_adds;

  explicit Slice(const Loops& loops) {
    constexpr long turns = 6000;
    const double start = thread_seconds();
    add_in_turn(turns);
    const double between = thread_seconds();
    loops.multiply_add(10 * turns);
    const double end = thread_seconds();
    additions = static_cast<double>(turns) * additions_in_turn / (between - start);
    multiply_adds = static_cast<double>(10 * turns) * loops.instructions / (end - between);
  }
};

double measure_multiply_adds_per_cycle(Isa isa) {
  const Loops loop = loops(isa);
  double found = 0;
  // A neighbour that shares the core's units slows the one loop and not the other; some slices are without it.
  for (int attempt = 0; attempt < 20; ++attempt) {
    std::vector<double> all;
    for (int i = 0; i < 200; ++i) {
      const Slice slice(loop);
      all.push_back(slice.multiply_adds / slice.additions);
    }
    found = quantile(all, 0.9);
    const double units = std::round(found);
    if (units >= 1 && std::abs(found / units - 1) <= 1 - undisturbed_share) return std::min(found, units);
  }
  throw Void("the loop of multiply-adds (" + std::string(name(isa)) + ") begins " + std::to_string(found) +
             " in a cycle, which is not close to a whole number");
}

}  // namespace

Isa widest() {
  for (const Isa isa : {Isa::avx512, Isa::avx2, Isa::neon}) {
    if (supported(isa)) return isa;
  }
  return Isa::scalar;
}

double multiply_adds_per_cycle(Isa isa) {
  static std::map<Isa, double> known;
  const auto found = known.find(isa);
  if (found != known.end()) return found->second;
  return known[isa] = measure_multiply_adds_per_cycle(isa);
}

Peak peak_now(Isa isa) {
  const Loops loop = loops(isa);
  std::vector<double> additions, per_cycle;
  for (int i = 0; i < 5; ++i) {
    const Slice slice(loop);
    additions.push_back(slice.additions);
    per_cycle.push_back(slice.multiply_adds / slice.additions);
  }
  const double most = multiply_adds_per_cycle(isa), clock = quantile(additions, 0.5);
  return {clock, clock * most * loop.flop, quantile(per_cycle, 0.5) >= undisturbed_share * most};
}

std::optional<double> peak() {
  static const std::optional<double> known = []() -> std::optional<double> {
    try {
      return peak_now(widest()).flop;
    } catch (const Void&) {
      return std::nullopt;
    }
  }();
  return known;
}

double cores_now(Index threads) {
  const Loops loop = loops(widest());
  constexpr long turns = 2000000;  // some milliseconds, in which waking a thread does not count
  const double before = peak_now(widest()).flop, start = wall_seconds();
  parallel_for(threads, threads, [&](Index, Index) { loop.multiply_add(turns); });
  const double seconds = wall_seconds() - start, one = std::max(before, peak_now(widest()).flop);
  return static_cast<double>(threads * turns) * loop.instructions * loop.flop / seconds / one;
}

double read_bandwidth_now(Index threads) {
  static const std::vector<std::byte> memory(beyond_caches, std::byte(1));
  const Loops loop = loops(widest());
  const Index piece = beyond_caches / threads / 1024 * 1024;
  const auto now = threads > 1 ? wall_seconds : thread_seconds;
  const double start = now();
  parallel_for(threads, threads,
               [&](Index task, Index) { loop.read(memory.data() + task * piece, static_cast<std::size_t>(piece)); });
  return static_cast<double>(threads * piece) / (now() - start);
}

double read_bandwidth(Index threads) {
  static std::map<Index, double> known;
  const auto found = known.find(threads);
  if (found != known.end()) return found->second;
  std::vector<double> all;
  for (int i = 0; i < 9; ++i) all.push_back(read_bandwidth_now(threads));
  return known[threads] = quantile(all, 0.5);
}

}  // namespace ttt::bench
