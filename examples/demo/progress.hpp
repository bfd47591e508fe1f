// SPDX-License-Identifier: MIT
// One line that says how far the work is, on standard error.
#pragma once

#include <chrono>
#include <string>

namespace demo {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// Rewritten in place on a terminal; elsewhere plain lines, now and then.
class Progress {
 public:
  Progress();
  ~Progress();  // leaves the cursor at the beginning of a line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows a line, unless the one before is too young.
  void show(const std::string& line);
  /// Shows a line that stays.
  void finish(const std::string& line);

 private:
  void write(const std::string& line);

  bool terminal_;
  double next_ = 0;        // when a line may be shown again
  std::size_t width_ = 0;  // of the line that the cursor is on
  Stopwatch watch_;
};

/// 3.14159 with 2 digits: "3.14".
std::string fixed(double value, int digits);
/// 83 seconds: "1:23".
std::string minutes(double seconds);

}  // namespace demo
