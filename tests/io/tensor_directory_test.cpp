// SPDX-License-Identifier: MIT
// The tensors of a model directory: one file, or shards and their index, which must agree.
#include "support/files.hpp"
#include "ttt/io/safetensors.hpp"

namespace ttt {
namespace {

using support::contains;
using support::error_of;
using support::put;
using support::TemporaryDirectory;

class TensorDirectoryTest : public ::testing::Test {
 protected:
  void put_tensors(const std::string& file, const std::vector<std::string>& names) {
    std::vector<TensorSource> tensors;
    for (const std::string& name : names) tensors.push_back({name, Dtype::f32, {1}, &value_});
    write_safetensors(path() / file, tensors);
    value_ += 1;
  }

  void put_index(const std::string& weight_map) {
    put(path() / "model.safetensors.index.json",
        "{\"metadata\":{\"total_size\":12},\"weight_map\":" + weight_map + "}");
  }

  std::string error() const {
    return error_of<CheckpointError>([&] { TensorDirectory{path()}; });
  }

  const std::filesystem::path& path() const { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  float value_ = 1;
};

TEST_F(TensorDirectoryTest, ReadsOneFile) {
  put_tensors("model.safetensors", {"b", "a"});
  put_index(R"({"c":"missing.safetensors"})");  // not looked at, as in the official loader
  const TensorDirectory model(path());
  EXPECT_EQ(model.names(), (std::vector<std::string>{"b", "a"}));
  EXPECT_TRUE(model.contains("a"));
  EXPECT_FALSE(model.contains("c"));
  EXPECT_EQ(model.info("a").shape, std::vector<Index>{1});
  float x = 0;
  model.read("a", &x, 1);
  EXPECT_EQ(x, 1);
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { model.info("c"); }), "tensor \"c\": expected in the model"));
}

TEST_F(TensorDirectoryTest, ReadsShards) {
  put_tensors("model-00001-of-00002.safetensors", {"a", "b"});
  put_tensors("model-00002-of-00002.safetensors", {"c"});
  put_index(R"({"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors",
                "c":"model-00002-of-00002.safetensors"})");
  const TensorDirectory model(path());
  EXPECT_EQ(model.files().size(), 2u);
  EXPECT_EQ(model.names(), (std::vector<std::string>{"a", "b", "c"}));
  double x = 0;
  model.read("c", &x, 1);
  EXPECT_EQ(x, 2);
}

TEST_F(TensorDirectoryTest, RefusesWhatDoesNotAgree) {
  EXPECT_TRUE(contains(error(), "found neither"));
  put_index(R"({"a":"1.safetensors"})");
  EXPECT_TRUE(contains(error(), "1.safetensors: No such file"));
  put_tensors("1.safetensors", {"a"});
  put_index(R"({"a":"1.safetensors","b":"1.safetensors"})");
  EXPECT_TRUE(contains(error(), "1.safetensors: tensor \"b\": expected in the file, by the index"));
  put_tensors("1.safetensors", {"a", "b", "c"});
  EXPECT_TRUE(contains(error(), "1.safetensors: tensor \"c\": expected to be in no file"));
  put_tensors("2.safetensors", {"b", "c"});
  put_index(R"({"a":"1.safetensors","b":"1.safetensors","c":"2.safetensors"})");
  EXPECT_TRUE(contains(error(), "1.safetensors: tensor \"c\": expected to be in 2.safetensors"));
  put_tensors("1.safetensors", {"a", "b"});
  EXPECT_TRUE(contains(error(), "2.safetensors: tensor \"b\": expected to be in 1.safetensors"));
  put_tensors("2.safetensors", {"c"});
  EXPECT_EQ(TensorDirectory(path()).names().size(), 3u);
}

TEST_F(TensorDirectoryTest, RefusesABadIndex) {
  put_tensors("1.safetensors", {"a"});
  put_index(R"({"a":"1.safetensors","a":"1.safetensors"})");
  EXPECT_TRUE(contains(error(), "\"a\" twice"));
  for (const char* file : {R"("../1.safetensors")", R"("/etc/passwd")", R"("./1.safetensors")", R"("")", "1", "null",
                           R"("sub/1.safetensors")"}) {
    put_index(std::string(R"({"a":)") + file + "}");
    EXPECT_TRUE(contains(error(), "tensor \"a\": expected the name of a file in the same directory, found ")) << file;
  }
  for (const char* map : {"{}", "[]", "null", "\"a\""}) {
    put_index(map);
    EXPECT_TRUE(contains(error(), "weight_map: expected an object with tensors"));
  }
  put(path() / "model.safetensors.index.json", "{}");
  EXPECT_TRUE(contains(error(), "expected the key \"weight_map\""));
  put(path() / "model.safetensors.index.json", "[]");
  EXPECT_THROW(TensorDirectory{path()}, CheckpointError);
  put_index(R"({"a":".."})");
  EXPECT_THROW(TensorDirectory{path()}, CheckpointError);
}

}  // namespace
}  // namespace ttt
