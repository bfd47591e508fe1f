// SPDX-License-Identifier: MIT
// Everything about speed in one table: how close each part comes to the limit of this machine. Every number is a ratio
// to a limit or a peer that was measured in the same process and next to it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "summary/summary.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt::bench {
namespace {

constexpr char usage[] =
    "usage: summary_bench [--json] [row...]\n"
    "\n"
    "Measures all rows, or those whose names begin with a word that is given. A value is the median of several\n"
    "measurements, low and high are their quartiles. Rows are of one thread, except threads_2\n"
    "(two threads over one) and cores_2 (two cores over one).\n"
    "The exit status is 3 where the yardstick does not hold, as other work on this machine slows it.\n";

std::vector<Row> all_rows() {
  std::vector<Row> rows;
  add_limit_rows(rows);
  add_inner_rows(rows);
  add_projection_rows(rows);
  add_layer_rows(rows);
  add_attention_rows(rows);
  add_thread_rows(rows);
  add_eigen_rows(rows);
  add_decode_rows(rows);
  add_training_rows(rows);
  return rows;
}

bool wanted(const Row& row, const std::vector<std::string>& words) {
  return words.empty() ||
         std::any_of(words.begin(), words.end(), [&](const std::string& word) { return row.name.rfind(word, 0) == 0; });
}

void print_json(const Row& row, const Spread& s, bool first) {
  std::printf(R"(%s{"name": "%s", "value": %.6g, "unit": "%s", "low": %.6g, "high": %.6g})", first ? "" : ",\n",
              row.name.c_str(), s.value, row.unit, s.low, s.high);
}

void print_line(const Row& row, const Spread& s) {
  std::printf("%-28s %9.5g   %9.5g - %-9.5g  %s\n", row.name.c_str(), s.value, s.low, s.high, row.unit);
}

int run(bool json, const std::vector<std::string>& words) {
  set_threads(1);
  multiply_adds_per_cycle(widest());  // before anything is printed
  if (json) {
    std::printf("{\"rows\": [\n");
  } else {
    std::printf("%-28s %9s   %9s - %-9s  %s\n", "row", "value", "low", "high", "unit");
  }
  bool first = true;
  for (const Row& row : all_rows()) {
    if (!wanted(row, words)) continue;
    const Spread spread = row.measure();
    if (json) {
      print_json(row, spread, first);
    } else {
      print_line(row, spread);
    }
    std::fflush(stdout);
    first = false;
  }
  if (json) std::printf("\n]}\n");
  return 0;
}

int main(int argc, char** argv) {
  bool json = false;
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      json = true;
    } else if (std::strcmp(argv[i], "--help") == 0) {
      std::fputs(usage, stdout);
      return 0;
    } else if (argv[i][0] == '-') {
      std::fputs(usage, stderr);
      return 2;
    } else {
      words.push_back(argv[i]);
    }
  }
  try {
    return run(json, words);
  } catch (const Void& failure) {
    std::fprintf(stderr, "summary_bench: the ratios are void: %s\n", failure.what());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "summary_bench: %s\n", failure.what());
    return 1;
  }
  return 3;
}

}  // namespace
}  // namespace ttt::bench

int main(int argc, char** argv) { return ttt::bench::main(argc, argv); }
