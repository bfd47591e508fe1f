// SPDX-License-Identifier: MIT
// Door to the layers: `ttt::TttLinear`, `ttt::TttMlp`, `ttt::Attention` and what they are made with.
#pragma once

#include "ttt/sequence/attention/attention.hpp"
#include "ttt/sequence/ttt/ttt.hpp"
