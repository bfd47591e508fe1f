// SPDX-License-Identifier: MIT
// What the outer loop trains in attention, under the names of Llama's checkpoints.
#pragma once

#include "ttt/ops/parameters.hpp"
#include "ttt/sequence/attention/config.hpp"

namespace ttt {

/// Parameters of softmax attention; gradients and moments have this type too.
template <class T>
struct AttentionParams {
  Dense<T> q_proj;          // [H D, C]
  Dense<T> k_proj, v_proj;  // [G D, C]
  Dense<T> o_proj;          // [C, H D]

  /// Throws ConfigError.
  static AttentionParams zeros(const AttentionConfig& given) {
    const AttentionConfig config = resolved(given);
    const Index C = config.hidden_size, D = *config.head_dim;
    const Index queries = config.num_heads * D, keys = *config.num_key_value_heads * D;
    return {Dense<T>({queries, C}), Dense<T>({keys, C}), Dense<T>({keys, C}), Dense<T>({C, queries})};
  }

  /// Fresh values: normal(0, initializer_range^2), as Llama's.
  static AttentionParams random(const AttentionConfig& config, double initializer_range, Rng& rng) {
    AttentionParams p = zeros(config);
    for (Dense<T>* dense : {&p.q_proj, &p.k_proj, &p.v_proj, &p.o_proj}) fill_normal(*dense, initializer_range, rng);
    return p;
  }

  /// f(name, tensor...) for every tensor, over one, two or more parameter structs at a time.
  template <class F, class... S>
  static void visit(F f, S&... s) {
    f("q_proj.weight", s.q_proj...);
    f("k_proj.weight", s.k_proj...);
    f("v_proj.weight", s.v_proj...);
    f("o_proj.weight", s.o_proj...);
  }
};

}  // namespace ttt
