// SPDX-License-Identifier: MIT
// The demo as a user meets it: what it prints, what it leaves, and how it ends.
#include <gtest/gtest.h>
#include <stdlib.h>    // mkdtemp, which is POSIX
#include <sys/wait.h>  // WEXITSTATUS

#include <algorithm>
#include <fstream>
#include <sstream>

#include "training.hpp"
#include "ttt/checkpoint.hpp"

namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class Demo : public testing::Test {
 protected:
  Demo() {
    std::string name = (fs::temp_directory_path() / "ttt-demo-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
    home_ = name;
    std::ofstream text(path("text"));
    for (int i = 0; i < 5'000; ++i) text << "verse " << i << ": and it came to pass\n";
  }
  ~Demo() override { fs::remove_all(home_); }

  fs::path path(const std::string& name) const { return home_ / name; }

  /// Runs the demo in the directory of this test; its output is in `out` and `error` then.
  int run(const std::string& arguments, const std::string& environment = "") {
    const std::string command = "cd '" + home_.string() + "' && " + environment + " '" TTT_DEMO "' " + arguments +
                                " >out.txt 2>error.txt </dev/null";
    const int status = std::system(command.c_str());
    out = read(path("out.txt"));
    error = read(path("error.txt"));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// Expects a run to be refused with a line that contains this, before anything was written.
  void expect_refusal(const std::string& arguments, int status, const std::string& message) {
    EXPECT_EQ(run(arguments), status) << arguments;
    EXPECT_EQ(out, "") << arguments;
    EXPECT_NE(error.find(message), error.npos) << arguments << ": " << error;
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
    EXPECT_TRUE(error.ends_with("\n")) << error;
    EXPECT_FALSE(fs::exists(path("ttt-demo-model")));
  }

  std::string out, error;

 private:
  fs::path home_;
};

bool same(const ttt::Model& a, const ttt::Model& b) {
  bool equal = a.config() == b.config();
  ttt::Model::Params::visit(
      [&](const std::string&, const auto& of_a, const auto& of_b) {
        const auto s = values(of_a), t = values(of_b);
        equal = equal && std::equal(s.begin(), s.end(), t.begin(), t.end());
      },
      a.params(), b.params());
  return equal;
}

TEST_F(Demo, TrainsReportsWritesAndSaves) {
  ASSERT_EQ(run("text --steps 3"), 0) << error;
  for (const char* part : {"Text: text: ", "Model: TTT-Linear", "Training: 3 steps", "0 - 15", "128 - 255",
                           "<- trained to here", "4096 - 8191", "bf16", "q8", "The model continues", "Saved."}) {
    EXPECT_NE(out.find(part), out.npos) << part << " is not in:\n" << out;
  }
  for (const char* part : {"step 3/3", "bits per byte", "tokens/s", "0:00 left", "ms/token", "MB", "threads"}) {
    EXPECT_NE(error.find(part), error.npos) << part << " is not in:\n" << error;
  }
  EXPECT_EQ((out + error).find_first_of("\r\x1B"), std::string::npos) << "not for a terminal";

  const ttt::Model model = ttt::load(path("ttt-demo-model"));
  EXPECT_EQ(model.config().vocab_size, 256);

  // Once more, over the model that is there now: the same steps give the same model, with any number of threads.
  ASSERT_EQ(run("text --steps 3", "OMP_NUM_THREADS=1"), 0) << error;
  EXPECT_TRUE(same(model, ttt::load(path("ttt-demo-model"))));
  ASSERT_EQ(run("text --steps 3 --seed 2 --out other"), 0) << error;
  EXPECT_FALSE(same(model, ttt::load(path("other"))));
}

TEST_F(Demo, TrainsTheOtherLayer) {
  ASSERT_EQ(run("text --steps 1 --layer mlp --out mlp/"), 0) << error;
  EXPECT_NE(out.find("Model: TTT-MLP"), out.npos) << out;
  EXPECT_EQ(ttt::load(path("mlp")).config().sequence_type, ttt::SequenceType::mlp);
}

TEST_F(Demo, PlansItsStepsFromAGivenTime) {
  ASSERT_EQ(run("text --minutes 0.1"), 0) << error;
  EXPECT_NE(out.find("Training: "), out.npos) << out;
  EXPECT_NE(out.find("Saved."), out.npos) << out;
}

// The step after which the time turns out to be up is the last, however many are left.
TEST(Training, StopsWhenTheTimeIsUp) {
  demo::Twins twins(ttt::SequenceType::linear, std::vector<ttt::Token>(1000, 'a'), /*seed=*/1, /*steps=*/5);
  const demo::Stopwatch watch;
  demo::Progress progress;
  EXPECT_EQ(demo::train(twins, demo::Plan{.steps = 5, .deadline = 0}, watch, progress).steps, 1);
}

TEST_F(Demo, GoesOnWithoutTheBible) {
  ASSERT_EQ(run("--steps 1", "PATH=/nowhere"), 0) << error;
  EXPECT_NE(out.find("Text: the sources of this project, as the King James Bible"), out.npos) << out;
}

TEST_F(Demo, HelpIsNotAnError) {
  EXPECT_EQ(run("--help"), 0);
  EXPECT_NE(out.find("--minutes"), out.npos);
  EXPECT_EQ(error, "");
}

TEST_F(Demo, RefusesWhatIsNoText) {
  std::ofstream(path("empty")).close();
  std::ofstream(path("tiny")) << "In the beginning";
  fs::create_directory(path("directory"));
  expect_refusal("missing", 1, "missing: cannot open: No such file");
  expect_refusal("directory", 1, "directory: expected a text file, found a directory");
  expect_refusal("empty", 1, "empty: expected a text of at least 32772 bytes, found 0");
  expect_refusal("tiny", 1, "tiny: expected a text of at least 32772 bytes, found 16");
  expect_refusal("/dev/zero", 1, "/dev/zero: expected a text of at most");
}

TEST_F(Demo, RefusesOptionsThatMeanNothing) {
  expect_refusal("text --minutes 0", 2, "--minutes: expected a number from");
  expect_refusal("text --colour", 2, "unknown option --colour");
  expect_refusal("text --steps", 2, "--steps: expected a value");
}

TEST_F(Demo, RefusesPlacesThatNoModelCanBeSavedIn) {
  fs::create_directory(path("photos"));
  std::ofstream(path("photos") / "cat.jpg") << "cat";
  expect_refusal("text --out photos", 1, "found cat.jpg in it");
  expect_refusal("text --out text", 1, "text: expected a directory or nothing, found a file");
  expect_refusal("text --out .", 1, "found the current directory");
  expect_refusal("text --out nowhere/model", 1, "nowhere/model: cannot create: No such file");
  expect_refusal("text --out ''", 1, "--out: expected the name of a directory");
  EXPECT_EQ(read(path("photos") / "cat.jpg"), "cat");
}

}  // namespace
