// SPDX-License-Identifier: MIT
// Loops that do one thing as fast as a core can. They are written in assembly, so that no compiler and no flag makes
// them longer or shorter than they stand here.
#pragma once

#include <cstddef>

#include "ttt/ops/kernels.hpp"

namespace ttt::bench {

/// Additions of integers, each of which waits for the one before: one cycle each on every CPU.
void add_in_turn(long turns);
inline constexpr double additions_in_turn = 64;

/// Independent multiply-adds on registers alone, of floats, and reads of memory whose values go nowhere.
struct Loops {
  void (*multiply_add)(long turns);
  double instructions;                                     // in a turn
  double flop;                                             // of an instruction
  void (*read)(const std::byte* data, std::size_t bytes);  // a multiple of 1024
};

/// Those of an instruction set, in its widest registers. Only for one that is `supported`.
Loops loops(Isa isa);

}  // namespace ttt::bench
