// SPDX-License-Identifier: MIT
// Training a model beside its twin, in a given time.
#pragma once

#include <vector>

#include "progress.hpp"
#include "report.hpp"
#include "ttt/train.hpp"

namespace demo {

/// Two models that differ in one thing: the inner learning rate of one is 0, so that its inner models never learn from
/// what they read. Same initial parameters, same windows in the same order, same number of steps.
class Twins {
 public:
  Twins(ttt::SequenceType layer, const std::vector<ttt::Token>& text, Index seed, Index steps);

  /// One step of each.
  struct Losses {
    double learning, frozen;  // bits per byte
  };
  Losses step() { return {bits(learning_), bits(frozen_)}; }

  const ttt::Model& learning() const { return learning_.model(); }
  const ttt::Model& frozen() const { return frozen_.model(); }

 private:
  static double bits(ttt::Trainer<float>& trainer);

  ttt::Trainer<float> learning_, frozen_;
};

struct Plan {
  Index steps;      // of each of the two
  double deadline;  // on the stopwatch of the run: stop then, finished or not
};

/// As many steps as fit in the time, from the speed of a few that are thrown away. Leaves time for the report.
Plan plan_training(const Stopwatch& watch, double seconds, ttt::SequenceType layer, const std::vector<ttt::Token>& text,
                   const Passages& passages);

struct Trained {
  Index steps;
  double tokens_per_second;
};

/// Trains both, step by step in turn, so that whatever slows the machine slows them alike.
Trained train(Twins& twins, const Plan& plan, const Stopwatch& watch, Progress& progress);

}  // namespace demo
