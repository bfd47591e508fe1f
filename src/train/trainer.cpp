// SPDX-License-Identifier: MIT
// The trainers that most programs use, compiled once.
#include "ttt/train/trainer.hpp"

namespace ttt {

template class Trainer<float>;
template class Trainer<double>;

}  // namespace ttt
