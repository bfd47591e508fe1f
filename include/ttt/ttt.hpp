// SPDX-License-Identifier: MIT
// All doors but the one to Eigen, and inner/chain.hpp, for inner models of your own.
#pragma once

#include "ttt/checkpoint.hpp"
#include "ttt/generate.hpp"
#include "ttt/inner/chain.hpp"
#include "ttt/layer.hpp"
#include "ttt/model.hpp"
#include "ttt/train.hpp"
#include "ttt/version.hpp"
