// SPDX-License-Identifier: MIT
// Door to model directories: `ttt::load` and `ttt::save`.
#pragma once

#include "ttt/io/checkpoint.hpp"
