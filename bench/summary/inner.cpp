// SPDX-License-Identifier: MIT
// Rows of the inner models alone: one head, mini-batches of 16, data in the second cache.
#include "inner_head.hpp"
#include "summary/summary.hpp"
#include "with_isa.hpp"

namespace ttt::bench {
namespace {

template <InnerModel M>
Spread inner(Isa isa, Index head_dim) {
  Head<M> head(head_dim);
  return share_of_peak(isa, head.flop(), [&] { head.scan(); });
}

}  // namespace

void add_inner_rows(std::vector<Row>& rows) {
  for (const Index D : {32, 64, 96, 128}) {
    rows.push_back(
        {"inner_linear_" + std::to_string(D), "of peak", [=] { return inner<inner::Linear<float>>(widest(), D); }});
  }
  for (const Index D : {32, 64, 96, 128}) {
    rows.push_back(
        {"inner_mlp_" + std::to_string(D), "of peak", [=] { return inner<inner::Mlp<float>>(widest(), D); }});
  }
  if (supported(Isa::avx2)) {
    rows.push_back({"avx2_inner_linear_64", "of AVX2 peak", [] {
                      const WithIsa avx2(Isa::avx2);
                      return inner<inner::Linear<float>>(Isa::avx2, 64);
                    }});
  }
}

}  // namespace ttt::bench
