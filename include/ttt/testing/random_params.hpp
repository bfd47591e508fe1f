// SPDX-License-Identifier: MIT
// Parameters as after training: none at its initial value, so that no term of a formula can hide behind a zero or a
// one.
#pragma once

#include <cmath>
#include <string>

#include "ttt/base/random.hpp"

namespace ttt::laws {

/// Mean and deviation of a parameter's values. Dense weights keep the size of what they are applied to.
struct Spread {
  double mean, deviation;
};

template <std::size_t Rank>
Spread spread(const std::string& name, const std::array<Index, Rank>& shape) {
  const std::string last = name.substr(name.rfind('.') + 1);
  const bool inner_weight = Rank >= 2 && last[0] == 'W', inner_bias = last[0] == 'b' && last.size() == 2;
  if (inner_bias || name.find("bias") != std::string::npos) return {0, 0.1};
  if (name.find("norm") != std::string::npos) return {1, 0.2};
  if (last == "learnable_token_idx") return {0, 0.05};
  if (name.find("embed") != std::string::npos) return {0, 1};
  return {0, 1 / std::sqrt(static_cast<double>(inner_weight ? shape[Rank >= 2 ? Rank - 2 : 0] : shape[Rank - 1]))};
}

/// Fills every tensor. One position's factor is clamped at zero, but not the last, with which steps are taken.
template <class Params>
void randomise(Params& params, Rng& rng) {
  Params::visit(
      [&]<class Tensor>(const std::string& name, Tensor& t) {
        const Spread s = spread(name, t.shape());
        if constexpr (requires { t.tensor(); }) {
          fill_normal(t, s.deviation, rng);
        } else {
          using T = std::remove_reference_t<decltype(*t.data())>;
          for (T& value : t) value = static_cast<T>(s.mean + s.deviation * rng.normal());
          if (name.find("learnable_token_idx") != std::string::npos && t.size() > 2) t.data()[t.size() / 2] = T(-2);
        }
      },
      params);
}

template <class Params>
Params random_params(Params params, Rng& rng) {
  randomise(params, rng);
  return params;
}

}  // namespace ttt::laws
