// SPDX-License-Identifier: MIT
// The progress line and the numbers in it. No colours and no escape sequences: a carriage return and spaces do.
#include "progress.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <iostream>

namespace demo {

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (width_ > 0) std::cerr << '\n';
}

void Progress::show(const std::string& line) {
  if (watch_.seconds() < next_) return;
  write(line);
  next_ = watch_.seconds() + (terminal_ ? 0.1 : 10.0);
}

void Progress::finish(const std::string& line) {
  write(line);
  if (width_ > 0) std::cerr << '\n';
  width_ = 0;
  next_ = 0;
}

void Progress::write(const std::string& line) {
  if (!terminal_) {
    std::cerr << line << '\n';
    return;
  }
  const std::size_t rest = width_ > line.size() ? width_ - line.size() : 0;
  std::cerr << '\r' << line << std::string(rest, ' ') << std::flush;
  width_ = line.size();
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string minutes(double seconds) {
  const long whole = std::lround(seconds);
  return std::to_string(whole / 60) + (whole % 60 < 10 ? ":0" : ":") + std::to_string(whole % 60);
}

}  // namespace demo
