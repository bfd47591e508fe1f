// SPDX-License-Identifier: MIT
// Door to Eigen: maps and views of each other's memory.
#pragma once

#include "ttt/interop/eigen.hpp"
#include "ttt/layer.hpp"
