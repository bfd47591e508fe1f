// SPDX-License-Identifier: MIT
// The shipped laws and what they are made of, for tests that write laws of their own.
#pragma once

#include "ttt/layer.hpp"
#include "ttt/testing/inner_model_laws.hpp"

namespace ttt::support {

using namespace laws;

template <InnerModel M>
using TttProblem = LayerProblem<sequence::Ttt<M>>;

template <InnerModel M>
Ttt<M> random_ttt(const TttConfig& config, Rng& rng) {
  return random_layer<sequence::Ttt<M>>(config, rng);
}

}  // namespace ttt::support
