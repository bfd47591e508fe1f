// SPDX-License-Identifier: MIT
// Door to the layers: `ttt::TttLinear`, `ttt::TttMlp` and what they are made with.
#pragma once

#include "ttt/sequence/ttt/layer.hpp"
