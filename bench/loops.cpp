// SPDX-License-Identifier: MIT
// The loops for x86-64 and AArch64.
//
// A multiply-add takes 4 cycles on most CPUs, 5 or 6 on older ones, and two of them begin in every cycle: 12 in flight
// keep both units busy. All values stay between 1 and 2, none is ever a denormal. Reads come from two places in turn:
// that is faster than from one, and than from four.
#include "loops.hpp"

#if defined(__x86_64__)

#define ADD "add %[one], %[sum]\n"
#define NEXT_TURN  \
  "dec %[turns]\n" \
  "jnz 1b\n"

#define REGISTERS \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"

// clang-format off
#define FUSED_MULTIPLY_ADD(turns, r)                              \
  const float half = 0.5f, one = 1.0f;                            \
  asm volatile(                                                   \
      "vbroadcastss %[half], %%" r "12\n"                         \
      "vbroadcastss %[one], %%" r "13\n"                          \
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"            \
      "vmovaps %%" r "13, %%" r "\\n\n"                           \
      ".endr\n"                                                   \
      ".p2align 6\n"                                              \
      "1:\n"                                                      \
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"            \
      "vfmadd213ps %%" r "13, %%" r "12, %%" r "\\n\n"            \
      ".endr\n"                                                   \
      NEXT_TURN                                                   \
      "vzeroupper\n"                                              \
      : [turns] "+r"(turns)                                       \
      : [half] "m"(half), [one] "m"(one)                          \
      : "cc", REGISTERS)

#define READ(move, r, width, end)                                 \
  const std::byte* const middle = data + bytes / 2;               \
  asm volatile(                                                   \
      ".p2align 6\n"                                              \
      "1:\n"                                                      \
      ".irp n, 0, 1, 2, 3\n"                                      \
      move " \\n*" width "(%[data]), %%" r "0\n"                  \
      move " \\n*" width "(%[data], %[half]), %%" r "1\n"         \
      ".endr\n"                                                   \
      "add $4*" width ", %[data]\n"                               \
      "cmp %[middle], %[data]\n"                                  \
      "jb 1b\n"                                                   \
      end                                                         \
      : [data] "+r"(data)                                         \
      : [middle] "r"(middle), [half] "r"(bytes / 2)               \
      : "cc", "memory", REGISTERS)
// clang-format on

namespace ttt::bench {
namespace {

void multiply_add_avx512(long turns) { FUSED_MULTIPLY_ADD(turns, "zmm"); }
void multiply_add_avx2(long turns) { FUSED_MULTIPLY_ADD(turns, "ymm"); }

/// The plain x86-64 has no such instruction: products and sums, six of each.
void multiply_and_add_sse(long turns) {
  const float one[4] = {1, 1, 1, 1}, zero[4] = {0, 0, 0, 0};
  asm volatile(
      "movups %[one], %%xmm12\n"
      "movups %[zero], %%xmm13\n"
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "movaps %%xmm12, %%xmm\\n\n"
      ".endr\n"
      ".p2align 6\n"
      "1:\n"
      ".irp product, 0, 1, 2, 3, 4, 5\n"
      "mulps %%xmm12, %%xmm\\product\n"
      ".endr\n"
      ".irp sum, 6, 7, 8, 9, 10, 11\n"
      "addps %%xmm13, %%xmm\\sum\n"
      ".endr\n" NEXT_TURN
      : [turns] "+r"(turns)
      : [one] "m"(one), [zero] "m"(zero)
      : "cc", REGISTERS);
}

void read_avx512(const std::byte* data, std::size_t bytes) { READ("vmovups", "zmm", "64", "vzeroupper\n"); }
void read_avx2(const std::byte* data, std::size_t bytes) { READ("vmovups", "ymm", "32", "vzeroupper\n"); }
void read_sse(const std::byte* data, std::size_t bytes) { READ("movups", "xmm", "16", ""); }

}  // namespace

Loops loops(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return {multiply_add_avx512, 12, 32, read_avx512};
    case Isa::avx2:
      return {multiply_add_avx2, 12, 16, read_avx2};
    default:
      return {multiply_and_add_sse, 12, 4, read_sse};
  }
}

}  // namespace ttt::bench

#elif defined(__aarch64__)

#define ADD "add %[sum], %[sum], %[one]\n"
#define NEXT_TURN                 \
  "subs %[turns], %[turns], #1\n" \
  "b.ne 1b\n"

namespace ttt::bench {
namespace {

/// Some cores begin four in a cycle: 24 in flight.
void multiply_add_neon(long turns) {
  asm volatile(
      "movi v30.4s, #0\n"
      "fmov v31.4s, #1.0\n"
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23\n"
      "mov v\\n\\().16b, v31.16b\n"
      ".endr\n"
      ".p2align 6\n"
      "1:\n"
      ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23\n"
      "fmla v\\n\\().4s, v30.4s, v31.4s\n"
      ".endr\n" NEXT_TURN
      : [turns] "+r"(turns)
      :
      : "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15",
        "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v30", "v31");
}

void read_neon(const std::byte* data, std::size_t bytes) {
  const std::byte *middle = data + bytes / 2, *second = middle;
  asm volatile(
      ".p2align 6\n"
      "1:\n"
      "ldp q0, q1, [%[data]], #32\n"
      "ldp q2, q3, [%[second]], #32\n"
      "ldp q4, q5, [%[data]], #32\n"
      "ldp q6, q7, [%[second]], #32\n"
      "cmp %[data], %[middle]\n"
      "b.lo 1b\n"
      : [data] "+r"(data), [second] "+r"(second)
      : [middle] "r"(middle)
      : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
}

}  // namespace

Loops loops(Isa) { return {multiply_add_neon, 24, 8, read_neon}; }

}  // namespace ttt::bench

#endif

namespace ttt::bench {

void add_in_turn(long turns) {
  long sum = 0;
  const long one = 1;
  asm volatile(
      ".p2align 6\n"
      "1:\n"
      ".rept 64\n" ADD ".endr\n" NEXT_TURN
      : [turns] "+r"(turns), [sum] "+r"(sum)
      : [one] "r"(one)
      : "cc");
}

}  // namespace ttt::bench
