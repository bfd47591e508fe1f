// SPDX-License-Identifier: MIT
// Other programs that want the machine too.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "ttt/base/error.hpp"

namespace ttt::bench {

/// Processes that keep all cores but one busy: on two cores, one of them.
class BusyNeighbours {
 public:
  BusyNeighbours() {
    const pid_t parent = getpid();
    for (unsigned i = 1; i < std::thread::hardware_concurrency(); ++i) {
      const pid_t child = fork();
      require(child >= 0, "cannot start a process");
      if (child == 0) {
        while (getppid() == parent) {
          for (volatile int spin = 0; spin < 1000000;) spin = spin + 1;
        }
        _exit(0);
      }
      children_.push_back(child);
    }
  }

  ~BusyNeighbours() {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }

  BusyNeighbours(const BusyNeighbours&) = delete;
  BusyNeighbours& operator=(const BusyNeighbours&) = delete;

 private:
  std::vector<pid_t> children_;
};

}  // namespace ttt::bench
