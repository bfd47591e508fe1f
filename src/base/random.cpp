// SPDX-License-Identifier: MIT
// The generator and the distributions, from integer arithmetic and our own elementary functions.
#include "ttt/base/random.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/math.hpp"
#include "ttt/base/error.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {
namespace {

/// The transform of Box and Muller, in the FloatEnvironment of the caller.
double next_normal(Rng& rng) {
  constexpr double two_pi = 6.283185307179586477;
  const double radius = std::sqrt(-2 * math::log(1 - rng.uniform()));  // 1 - uniform() is never 0
  return radius * math::cos(two_pi * rng.uniform());
}

}  // namespace

Rng::Rng(std::uint64_t seed) : state{} {
  for (std::uint64_t& word : state) {  // splitmix64
    seed += 0x9E3779B97F4A7C15u;
    word = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9u;
    word = (word ^ (word >> 27)) * 0x94D049BB133111EBu;
    word ^= word >> 31;
  }
}

std::uint64_t Rng::next() {
  const std::uint64_t result = std::rotl(state[0] + state[3], 23) + state[0];
  const std::uint64_t shifted = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = std::rotl(state[3], 45);
  return result;
}

double Rng::uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

double Rng::normal() {
  const FloatEnvironment environment;
  return next_normal(*this);
}

std::uint64_t Rng::below(std::uint64_t n) {
  require(n > 0, "Rng::below: expected a bound of at least 1, found 0");
  const std::uint64_t surplus = -n % n;  // 2^64 mod n: the values that would come once too often
  std::uint64_t value = next();
  while (value < surplus) value = next();
  return value % n;
}

/// The generator steps on alone, which is quick, and leaves every piece its start: the transform, which takes nearly
/// all of the time, then runs on all threads.
template <class T>
void fill_normal(View<T, 1> x, double deviation, Rng& rng) {
  constexpr Index piece = 4096;
  constexpr double operations = 100;  // for a number
  const Index tasks = (x.size() + piece - 1) / piece;
  const auto size = [&](Index task) { return std::min(piece, x.size() - task * piece); };
  std::vector<Rng> starts;
  starts.reserve(static_cast<std::size_t>(tasks));
  for (Index task = 0; task < tasks; ++task) {
    starts.push_back(rng);
    for (Index i = 0; i < 2 * size(task); ++i) rng.next();
  }
  parallel_for(tasks, detail::worker_count(tasks, operations * static_cast<double>(x.size())), [&](Index task, Index) {
    Rng start = starts[static_cast<std::size_t>(task)];
    for (Index i = 0; i < size(task); ++i) x[task * piece + i] = static_cast<T>(deviation * next_normal(start));
  });
}

template <class T>
void fill_uniform(View<T, 1> x, double low, double high, Rng& rng) {
  const FloatEnvironment environment;
  for (Index i = 0; i < x.size(); ++i) x[i] = static_cast<T>(low + (high - low) * rng.uniform());
}

template TTT_EXPORT void fill_normal<float>(View<float, 1>, double, Rng&);
template TTT_EXPORT void fill_normal<double>(View<double, 1>, double, Rng&);
template TTT_EXPORT void fill_uniform<float>(View<float, 1>, double, double, Rng&);
template TTT_EXPORT void fill_uniform<double>(View<double, 1>, double, double, Rng&);

}  // namespace ttt
