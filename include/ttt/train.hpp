// SPDX-License-Identifier: MIT
// Door to training: batches, optimizer, `ttt::Trainer`.
#pragma once

#include "ttt/train/trainer.hpp"
