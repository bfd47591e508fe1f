// SPDX-License-Identifier: MIT
// Sampling: temperature, top-k and top-p, in double and by the library's own exponential.
#include "ttt/model/sampler.hpp"

#include <algorithm>
#include <cmath>

#include "base/math.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {

Sampler::Sampler(const SamplerConfig& config) : config_(config), rng_(config.seed) {
  require<ConfigError>(std::isfinite(config.temperature) && config.temperature >= 0,
                       "temperature: expected a number of at least 0, found ", config.temperature);
  require<ConfigError>(config.top_k >= 0, "top_k: expected at least 0, found ", config.top_k);
  require<ConfigError>(config.top_p > 0 && config.top_p <= 1, "top_p: expected a number above 0 and up to 1, found ",
                       config.top_p);
}

template <class T>
Token Sampler::draw(View<const T, 1> logits) {
  const FloatEnvironment environment;
  require(logits.size() > 0, "expected at least one logit, found none");
  const T* best = logits.data();
  for (const T* p = logits.data(); p != logits.data() + logits.size(); ++p) {
    require(!std::isnan(*p), "expected logits that are numbers, found nan at ", p - logits.data());
    if (*p > *best) best = p;
  }
  require(std::isfinite(*best), "expected a finite largest logit, found ", *best);
  if (config_.temperature == 0) return static_cast<Token>(best - logits.data());

  // Likeliest first; among equals the smaller token, so that the order is the same everywhere.
  candidates_.clear();
  for (Index v = 0; v < logits.size(); ++v) {
    const double scaled = (static_cast<double>(logits[v]) - static_cast<double>(*best)) / config_.temperature;
    candidates_.emplace_back(math::exp(scaled), static_cast<Token>(v));
  }
  std::sort(candidates_.begin(), candidates_.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (config_.top_k > 0 && config_.top_k < logits.size()) candidates_.resize(static_cast<std::size_t>(config_.top_k));
  double total = 0;
  for (const auto& [weight, token] : candidates_) total += weight;
  if (config_.top_p < 1) {
    double kept = 0;
    std::size_t count = 0;
    while (count < candidates_.size() && kept < config_.top_p * total) kept += candidates_[count++].first;
    candidates_.resize(count);
    total = kept;
  }
  double left = rng_.uniform() * total;
  for (const auto& [weight, token] : candidates_) {
    left -= weight;
    if (left < 0) return token;
  }
  return candidates_.back().second;
}

template TTT_EXPORT Token Sampler::draw(View<const float, 1>);
template TTT_EXPORT Token Sampler::draw(View<const double, 1>);

}  // namespace ttt
