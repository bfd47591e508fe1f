// SPDX-License-Identifier: MIT
// The mode of the calling thread in which denormals that it reads or writes are zero, on machines that have one.
#pragma once

#ifdef __SSE__
#include <pmmintrin.h>
#endif

namespace ttt::support {

#if defined(__SSE__)
constexpr unsigned long flushing_bits = _MM_FLUSH_ZERO_ON | _MM_DENORMALS_ZERO_ON;
inline unsigned long float_mode() { return _mm_getcsr(); }
inline void set_float_mode(unsigned long mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr unsigned long flushing_bits = 1ul << 24;
inline unsigned long float_mode() {
  unsigned long mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_float_mode(unsigned long mode) { asm volatile("msr fpcr, %0" : : "r"(mode) : "memory"); }
#else
constexpr unsigned long flushing_bits = 0;
inline unsigned long float_mode() { return 0; }
inline void set_float_mode(unsigned long) {}
#endif

constexpr bool can_flush_denormals = flushing_bits != 0;

inline bool flushes_denormals() { return can_flush_denormals && (float_mode() & flushing_bits) == flushing_bits; }
inline void flush_denormals(bool on) {
  set_float_mode(on ? float_mode() | flushing_bits : float_mode() & ~flushing_bits);
}

}  // namespace ttt::support
