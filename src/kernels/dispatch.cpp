// SPDX-License-Identifier: MIT
// Chooses among the tables of kernels: the best that the machine can run, unless TTT_ISA or set_isa says otherwise.
#include <atomic>
#include <cstdlib>
#include <string>

#include "kernels/tables.hpp"
#include "ttt/base/enums.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt::ops {
namespace {

struct Table {
  Isa isa;
  bool (*runs)();
  const Kernels<float>* of_float;
  const Kernels<double>* of_double;

  const Kernels<float>& kernels(float) const { return *of_float; }
  const Kernels<double>& kernels(double) const { return *of_double; }
};

constexpr Table tables[] = {
    {Isa::scalar, [] { return true; }, &scalar_float, &scalar_double},
#ifdef TTT_HAVE_AVX2
    {Isa::avx2, [] { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }, &avx2_float,
     &avx2_double},
#endif
#ifdef TTT_HAVE_AVX512
    {Isa::avx512,
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
     },
     &avx512_float, &avx512_double},
#endif
#ifdef TTT_HAVE_NEON
    {Isa::neon, [] { return true; }, &neon_float, &neon_double},
#endif
};

constexpr detail::Named<Isa> isas[] = {
    {Isa::scalar, "scalar"}, {Isa::avx2, "avx2"}, {Isa::avx512, "avx512"}, {Isa::neon, "neon"}};

const Table* find(Isa isa) {
  for (const Table& table : tables) {
    if (table.isa == isa && table.runs()) return &table;
  }
  return nullptr;
}

std::string supported_names() {
  std::string names;
  for (const Table& table : tables) {
    if (table.runs()) names += (names.empty() ? "" : ", ") + std::string(name(table.isa));
  }
  return names;
}

const Table& choose() {
  const char* wanted = std::getenv("TTT_ISA");
  if (!wanted || !*wanted) {
    const Table* best = nullptr;
    for (const Table& table : tables) {
      if (table.runs()) best = &table;
    }
    return *best;
  }
  const std::optional<Isa> isa = detail::value_of(isas, wanted);
  const Table* found = isa ? find(*isa) : nullptr;
  require(found != nullptr, "TTT_ISA: expected one of ", supported_names(), ", found \"", wanted, "\"");
  return *found;
}

std::atomic<const Table*> current = nullptr;

const Table& active() {
  const Table* table = current.load(std::memory_order_acquire);
  if (table) return *table;
  const Table* chosen = &choose();
  // A set_isa that came in between wins.
  return current.compare_exchange_strong(table, chosen) ? *chosen : *table;
}

}  // namespace

template <class T>
const Kernels<T>& kernels() {
  return active().kernels(T{});
}

template TTT_EXPORT const Kernels<float>& kernels<float>();
template TTT_EXPORT const Kernels<double>& kernels<double>();

}  // namespace ttt::ops

namespace ttt {

bool supported(Isa isa) { return ops::find(isa) != nullptr; }

Isa active_isa() { return ops::active().isa; }

void set_isa(Isa isa) {
  const ops::Table* table = ops::find(isa);
  require(table != nullptr, "set_isa: expected one of ", ops::supported_names(), ", found ", name(isa));
  ops::current.store(table, std::memory_order_release);
}

const char* name(Isa isa) { return detail::row_of(ops::isas, isa, "Isa").name; }

}  // namespace ttt
