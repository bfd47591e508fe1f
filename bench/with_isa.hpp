// SPDX-License-Identifier: MIT
// Another instruction set for a while.
#pragma once

#include "ttt/ops/kernels.hpp"

namespace ttt::bench {

class WithIsa {
 public:
  explicit WithIsa(Isa isa) { set_isa(isa); }
  ~WithIsa() { set_isa(before_); }
  WithIsa(const WithIsa&) = delete;
  WithIsa& operator=(const WithIsa&) = delete;

 private:
  Isa before_ = active_isa();
};

}  // namespace ttt::bench
