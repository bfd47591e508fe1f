// SPDX-License-Identifier: MIT
// Door to generation: `ttt::Sampler` and `ttt::Generator`.
#pragma once

#include "ttt/model/generator.hpp"
#include "ttt/text/bytes.hpp"
