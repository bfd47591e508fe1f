// SPDX-License-Identifier: MIT
// What the official implementation computed, down to states, intermediate values, gradients and training runs, is what
// this library computes. TTT_GOLDEN_DIR names another directory of such files than ours.
#include "reference/golden/directory.hpp"

#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "support/files.hpp"

namespace ttt::support {

namespace {

namespace fs = std::filesystem;

std::string text(const Deviation& d) {
  if (d.tensor.empty()) return "nothing compared";
  char line[160];
  const int percent = static_cast<int>(std::min(999.0, 100 * d.error / d.bound + 0.5));
  std::snprintf(line, sizeof line, "%.1e %s (%d%% of bound)", d.error, d.tensor.c_str(), percent);
  return line;
}

void print(const GoldenReport& report) {
  for (const GoldenResult& file : report.files) {
    std::printf("%-34s float %s  double %s\n", (file.kind + "/" + file.name).c_str(), text(file.worst[0]).c_str(),
                text(file.worst[1]).c_str());
  }
  for (const std::string& kind : report.skipped)
    std::printf("%s: skipped, not part of this library yet\n", kind.c_str());
  for (std::size_t begin = 0; begin < report.files.size();) {
    std::size_t end = begin;
    std::array<Deviation, 2> worst;
    for (; end < report.files.size() && report.files[end].kind == report.files[begin].kind; ++end) {
      for (std::size_t p = 0; p < 2; ++p) {
        if (report.files[end].worst[p].error >= worst[p].error) worst[p] = report.files[end].worst[p];
      }
    }
    std::printf("worst of %-7s float %s  double %s\n", report.files[begin].kind.c_str(), text(worst[0]).c_str(),
                text(worst[1]).c_str());
    begin = end;
  }
  std::printf("files checked: %zu\n", report.files.size());
}

TEST(golden_test, every_file) {
  const char* other = std::getenv("TTT_GOLDEN_DIR");
  const GoldenReport report = check_golden_directory(other != nullptr ? other : TTT_GOLDEN_DEFAULT_DIR);
  print(report);
  for (const std::string& failure : report.failures) ADD_FAILURE() << failure;
}

/// A golden directory with one file of ours, in which one text has been replaced by another of the same length.
class ChangedFile {
 public:
  ChangedFile(const std::string& from, const std::string& to) {
    std::string bytes = get(fs::path(TTT_GOLDEN_DEFAULT_DIR) / "layer" / "linear_basic.safetensors");
    const std::size_t at = bytes.find(from);
    require(at != std::string::npos && from.size() == to.size(), "expected to find ", from);
    fs::create_directory(directory_.path() / "layer");
    put(directory_.path() / "layer" / "other_name.safetensors", bytes.replace(at, from.size(), to));
  }

  const fs::path& path() const { return directory_.path(); }

  /// All failures, one on each line.
  std::string failures() const {
    std::string all;
    for (const std::string& failure : check_golden_directory(path()).failures) all += failure + "\n";
    return all;
  }

 private:
  TemporaryDirectory directory_;
};

TEST(golden_test, accepts_files_of_any_name) { EXPECT_EQ(ChangedFile("f64.out", "f64.out").failures(), ""); }

TEST(golden_test, notices_another_result) {
  const std::string failures = ChangedFile("\"rope_theta\\\": 10000.0", "\"rope_theta\\\": 20000.0").failures();
  EXPECT_TRUE(contains(failures, "layer/other_name in float: out: expected a relative error of at most 1e-05, found "));
  EXPECT_TRUE(contains(failures, "layer/other_name in double: trace.XQ: expected a relative error of at most 1e-11"));
  EXPECT_TRUE(contains(failures, "layer/other_name in double: grad.W1: expected a relative error of at most 1e-10"));
}

TEST(golden_test, notices_a_tensor_that_is_left) {
  EXPECT_EQ(ChangedFile("\"f32.out\"", "\"f64.oot\"").failures(),
            "layer/other_name in float: f64.oot: expected to be compared, was not\n"
            "layer/other_name in double: f64.oot: expected to be compared, was not\n");
}

TEST(golden_test, notices_a_missing_tensor) {
  EXPECT_TRUE(contains(ChangedFile("\"f64.out\"", "\"f32.oot\"").failures(), "f64.out"));
}

TEST(golden_test, notices_an_unknown_setting) {
  EXPECT_TRUE(contains(ChangedFile("use_cache", "use_magic").failures(), "use_magic"));
}

TEST(golden_test, notices_an_unknown_kind_and_skips_later_ones) {
  const ChangedFile file("f64.out", "f64.out");
  fs::create_directory(file.path() / "jax_stream");
  put(file.path() / "README.md", "");
  put(file.path() / "manifest.json", "");
  EXPECT_EQ(file.failures(), "");
  fs::create_directory(file.path() / "attention");
  EXPECT_TRUE(contains(file.failures(), "attention: expected known kinds"));
}

TEST(golden_test, notices_an_empty_directory) {
  const TemporaryDirectory directory;
  EXPECT_EQ(check_golden_directory(directory.path()).failures.size(), 1u);
  EXPECT_EQ(check_golden_directory(directory.path() / "none").failures.size(), 1u);
  fs::create_directory(directory.path() / "layer");
  EXPECT_EQ(check_golden_directory(directory.path()).failures.size(), 2u);
}

}  // namespace

}  // namespace ttt::support
