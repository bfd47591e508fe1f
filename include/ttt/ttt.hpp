// SPDX-License-Identifier: MIT
// All public headers.
#pragma once

#include "ttt/checkpoint.hpp"
#include "ttt/config.hpp"
#include "ttt/eigen.hpp"
#include "ttt/error.hpp"
#include "ttt/generate.hpp"
#include "ttt/inner/chain.hpp"
#include "ttt/kernels.hpp"
#include "ttt/layer.hpp"
#include "ttt/model.hpp"
#include "ttt/optimizer.hpp"
#include "ttt/parallel.hpp"
#include "ttt/random.hpp"
#include "ttt/safetensors.hpp"
#include "ttt/tensor.hpp"
#include "ttt/train.hpp"
#include "ttt/version.hpp"
#include "ttt/workspace.hpp"
