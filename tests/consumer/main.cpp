// SPDX-License-Identifier: MIT
// Runs layers from a fixed seed and prints a checksum of every byte they computed.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ttt/ttt.hpp"

namespace {

/// FNV-1a.
std::uint64_t checksum(const void* data, std::size_t size) {
  std::vector<unsigned char> bytes(size);
  std::memcpy(bytes.data(), data, size);
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

template <class T, class Layer>
void run(const char* name) {
  ttt::Rng rng(42);
  const ttt::LayerConfig config{.hidden_size = 64, .num_heads = 2, .mini_batch_size = 8};
  Layer layer(config, rng);
  const ttt::Tensor<T, 3> x = ttt::normal<T, 3>({1, 50, 64}, rng);
  const ttt::Tensor<T, 3> y = layer(x);
  const auto sum = static_cast<unsigned long long>(checksum(y.data(), static_cast<std::size_t>(y.size()) * sizeof(T)));
  std::printf("%s %016llx\n", name, sum);
}

/// An exception is caught by its type on this side of the library's border.
bool refuses_bad_configurations() {
  try {
    ttt::validate(ttt::LayerConfig{.hidden_size = -1});
  } catch (const ttt::ConfigError&) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  run<float, ttt::TttLinear<float>>("TttLinear<float>");
  run<double, ttt::TttLinear<double>>("TttLinear<double>");
  run<float, ttt::TttMlp<float>>("TttMlp<float>");
  run<double, ttt::TttMlp<double>>("TttMlp<double>");
  return refuses_bad_configurations() ? 0 : 1;
}
