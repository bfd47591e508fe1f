// SPDX-License-Identifier: MIT
// What a run refuses to resume from, and how it says so.
#include "ttt/train/run_files.hpp"

#include <array>

#include "support/files.hpp"
#include "support/training.hpp"

namespace ttt::support {
namespace {

TEST(RunFiles, DamageIsNamed) {
  const TemporaryDirectory temporary;
  const std::filesystem::path run = temporary.path() / "run", record = run / "training.json";
  const TrainerConfig config = short_run(SequenceType::linear);
  const TextWindows windows(sentence(40), 24, 9);
  Trainer<float> trainer(fresh_model<float>(SequenceType::linear), windows, config);
  trainer.step();
  trainer.save(run);
  const std::string good = get(record);
  const auto message_with = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const std::size_t at = bad.find(from);
    EXPECT_NE(at, std::string::npos) << from << " in " << good;
    bad.replace(at, from.size(), to);
    put(record, bad);
    return error_of<CheckpointError>([&] { Trainer<float>::resume(run, windows, config); });
  };
  const std::string zeros(16, '0');
  const auto word = [&](int i) {
    const std::string key = "\"source.random_state_" + std::to_string(i) + "\": \"";
    return good.substr(good.find(key) + key.size(), 16);
  };
  for (const auto& [from, to, expected] : std::vector<std::array<std::string, 3>>{
           {"\"steps\": 1", "\"steps\": -1", "key steps: expected an integer"},
           {"optimizer.steps\": 1", "optimizer.steps\": \"1\"", "key optimizer.steps: expected an integer"},
           {"\"source.window\": 3", "\"source.window\": 9007199254740993", "key source.window: expected an integer"},
           {"\"source.window\": 3", "\"source.window\": 18446744073709551615",
            "key source.window: expected an integer"},
           {"\"source.window\": 3", "\"source.window\": 100000", "expected a position of 0 to "},
           {"\"source.window\": 3", "\"source.window\": 3.5", "key source.window: expected an integer or a text"},
           {"\"source.window\"", "\"source.windows\"", "key source.window: expected an integer"},
           {"\"source\": \"", "\"source\": \"two ", "source: expected two windows of 24 tokens"},
           {word(0), "12", "key source.random_state_0: expected 16 hexadecimal digits, found \"12\""},
           {word(1), "0x" + word(1).substr(2), "key source.random_state_1: expected 16 hexadecimal digits"},
           {"{", "[{", "expected JSON"},
       }) {
    const std::string message = message_with(from, to);
    EXPECT_NE(message.find("training.json"), std::string::npos) << message;
    EXPECT_NE(message.find(expected), std::string::npos) << message;
  }
  std::string dead = good;
  for (int i = 0; i < 4; ++i) dead.replace(dead.find(word(i)), 16, zeros);
  put(record, dead);
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { Trainer<float>::resume(run, windows, config); }),
                       "random state that is not all 0"));
  put(record, good);
  EXPECT_EQ(Trainer<float>::resume(run, windows, config).step().loss, trainer.step().loss);
}

}  // namespace
}  // namespace ttt::support
