// SPDX-License-Identifier: MIT
// The limits of this machine, which benchmarks give their results as shares of.
#pragma once

#include <optional>
#include <stdexcept>

#include "ttt/base/tensor.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::bench {

/// The yardstick does not hold: what is measured with it would look faster than it is.
struct Void : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The instruction set of the widest registers.
Isa widest();

/// Multiply-add instructions that one core begins in a cycle, measured once. How many units there are is a fact of the
/// CPU (one or two of 512 bits on x86-64, four of 128 bits on some ARM cores), so it is a whole number: throws Void
/// unless the loop comes close to one, within 1 - `undisturbed_share` of it. Cycles are counted by additions that wait
/// for one another.
double multiply_adds_per_cycle(Isa isa);

/// How much of its limit a loop on registers must reach for what is measured beside it to count.
inline constexpr double undisturbed_share = 0.95;

/// The limit of one core at this moment, as clocks change with the load.
struct Peak {
  double clock;      // cycles per second
  double flop;       // FLOP per second, of multiply-adds on registers alone
  bool undisturbed;  // the loop itself reached undisturbed_share of that now: nothing else used the core's units
};
Peak peak_now(Isa isa);

/// FLOP per second of one core, measured once; nothing where the yardstick does not hold.
std::optional<double> peak();

/// How many times one core's multiply-adds `threads` threads do at this moment: fewer than `threads` where other
/// programs have a core, or where two cores of a virtual machine share the units of one.
double cores_now(Index threads);

/// Bytes per second of one read through more memory than caches hold, by `threads` threads.
double read_bandwidth_now(Index threads);
/// The median of some, measured once. On all threads, or on one.
double read_bandwidth(Index threads);

/// More than the caches hold.
inline constexpr Index beyond_caches = Index(256) << 20;

}  // namespace ttt::bench
