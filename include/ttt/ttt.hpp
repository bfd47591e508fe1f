// SPDX-License-Identifier: MIT
// Every door but the one to Eigen, and what is reached through none of them.
#pragma once

#include "ttt/checkpoint.hpp"
#include "ttt/generate.hpp"
#include "ttt/inner/chain.hpp"
#include "ttt/layer.hpp"
#include "ttt/model.hpp"
#include "ttt/train.hpp"
#include "ttt/version.hpp"
