// SPDX-License-Identifier: MIT
// Door to the language model: `ttt::Model`.
#pragma once

#include "ttt/model/model.hpp"
