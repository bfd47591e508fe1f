// SPDX-License-Identifier: MIT
// Reading and writing safetensors, and what happens to files that lie.
#include "ttt/io/safetensors.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>

#include "support/files.hpp"

namespace ttt {
namespace {

using support::contains;
using support::error_of;
using support::get;
using support::put;
using support::TemporaryDirectory;

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

std::string file_bytes(const std::string& header, const std::string& data) {
  return bytes_of(std::vector<std::uint64_t>{header.size()}) + header + data;
}

template <class T>
std::vector<T> read_all(const TensorFile& file, const std::string& name) {
  std::vector<T> values(static_cast<std::size_t>(file.info(name).size()));
  file.read(name, values.data(), static_cast<Index>(values.size()));
  return values;
}

// --- files -----------------------------------------------------------------------------------------------------------

TEST(TensorFile, ReadsEveryTypeFromBytes) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  // By hand, in an order that is not that of the data, and with a name that has to be escaped.
  put(path, file_bytes(R"({"i64":{"dtype":"I64","shape":[1],"data_offsets":[32,40]},
                          "f64":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},
                          "f32":{"dtype":"F32","shape":[1,2],"data_offsets":[16,24]},
                          "__metadata__":{"format":"pt","who":"\u00e9"},
                          "i\"32":{"dtype":"I32","shape":[],"data_offsets":[40,44]},
                          "empty":{"dtype":"F32","shape":[3,0],"data_offsets":[24,24]},
                          "f16":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},
                          "flags":{"dtype":"BOOL","shape":[2],"data_offsets":[44,46]},
                          "bf16":{"dtype":"BF16","shape":[2,1],"data_offsets":[28,32]}}   )",
                       bytes_of<double>({0.1, -2}) + bytes_of<float>({3.5f, -0.0f}) +
                           bytes_of<std::uint16_t>({0x3c01, 0x8001}) + bytes_of<std::uint16_t>({0x3f81, 0x0001}) +
                           bytes_of<std::int64_t>({-5}) + bytes_of<std::int32_t>({7}) + "\1" + std::string(1, '\0')));
  const TensorFile file(path);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"f64", "f32", "empty", "f16", "bf16", "i64", "i\"32", "flags"}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"who", "\u00e9"}}));
  EXPECT_EQ(file.path(), path);
  EXPECT_TRUE(file.contains("f32"));
  EXPECT_FALSE(file.contains("__metadata__"));
  EXPECT_EQ(file.info("bf16").shape, (std::vector<Index>{2, 1}));
  EXPECT_EQ(file.info("bf16").dtype, Dtype::bf16);
  EXPECT_EQ(file.info("flags").dtype, Dtype::boolean);
  EXPECT_EQ(file.info("i\"32").shape, std::vector<Index>());

  EXPECT_EQ(read_all<double>(file, "f64"), (std::vector<double>{0.1, -2}));
  EXPECT_EQ(read_all<float>(file, "f64"), (std::vector<float>{0.1f, -2}));
  EXPECT_EQ(read_all<double>(file, "f32"), (std::vector<double>{3.5, 0}));
  EXPECT_TRUE(std::signbit(read_all<float>(file, "f32")[1]));
  EXPECT_EQ(read_all<float>(file, "f16"), (std::vector<float>{1 + 0x1p-10f, -0x1p-24f}));
  EXPECT_EQ(read_all<double>(file, "bf16"), (std::vector<double>{1 + 0x1p-7, 0x1p-133}));
  EXPECT_EQ(read_all<float>(file, "empty"), std::vector<float>());
  EXPECT_EQ(read_all<std::int64_t>(file, "i64"), std::vector<std::int64_t>{-5});
  EXPECT_EQ(read_all<std::int32_t>(file, "i64"), std::vector<std::int32_t>{-5});
  EXPECT_EQ(read_all<std::int64_t>(file, "i\"32"), std::vector<std::int64_t>{7});
}

TEST(TensorFile, RefusesReadsThatDoNotFit) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  put(path, file_bytes(R"({"big":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},
                          "id":{"dtype":"I64","shape":[1],"data_offsets":[16,24]},
                          "u8":{"dtype":"U8","shape":[1],"data_offsets":[24,25]}})",
                       bytes_of<double>({1, 1e300}) + bytes_of<std::int64_t>({std::int64_t{1} << 31}) + "x"));
  const TensorFile file(path);
  std::array<float, 3> f{};
  std::array<std::int32_t, 3> i{};
  const auto text = [&](auto call) { return error_of<CheckpointError>(call); };
  EXPECT_TRUE(
      contains(text([&] { file.read("big", f.data(), 2); }), "a.safetensors: tensor \"big\": expected numbers"));
  EXPECT_TRUE(contains(text([&] { file.read("big", f.data(), 3); }), "expected 3 elements, found 2"));
  EXPECT_TRUE(contains(text([&] { file.read("big", i.data(), 2); }), "expected I64 or I32, found F64"));
  EXPECT_TRUE(contains(text([&] { file.read("u8", f.data(), 1); }), "expected F64, F32, F16 or BF16, found U8"));
  EXPECT_TRUE(contains(text([&] { file.read("id", i.data(), 1); }), "expected numbers of 32 bits, found 2147483648"));
  EXPECT_TRUE(contains(text([&] { file.read("none", i.data(), 1); }), "tensor \"none\": expected in the file"));
  EXPECT_TRUE(contains(text([&] { file.info("none"); }), "none"));
  std::array<double, 2> d{};
  file.read("big", d.data(), 2);
  EXPECT_EQ(d[1], 1e300);
}

TEST(TensorFile, NoticesAFileThatShrinksAfterItWasOpened) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  const std::vector<float> x(100, 1.0f);
  write_safetensors(path, {{"x", Dtype::f32, {100}, x.data()}});
  const TensorFile file(path);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_THROW(read_all<float>(file, "x"), CheckpointError);
}

TEST(TensorFile, RefusesWhatIsNoRegularFile) {
  const TemporaryDirectory directory;
  EXPECT_TRUE(
      contains(error_of<CheckpointError>([&] { TensorFile(directory.path() / "none"); }), "none: No such file"));
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { TensorFile{directory.path()}; }), "expected a regular file"));
  EXPECT_THROW(TensorFile("/dev/zero"), CheckpointError);
}

struct BadFile {
  const char* header;
  std::size_t data_bytes;
  const char* error;
};

TEST(TensorFile, RefusesEveryHeaderThatIsWrong) {
  const BadFile bad[] = {
      {"", 0, "begins with {"},
      {"[]", 0, "begins with {"},
      {" {}", 0, "begins with {"},
      {"\xef\xbb\xbf{}", 0, "begins with {"},
      {"{", 0, "expected JSON"},
      {"{}}", 0, "expected JSON"},
      {"{} // no", 0, "expected JSON"},
      {R"({"\xff":1})", 0, "expected JSON"},
      {"{\"\xff\":1}", 0, "expected JSON"},
      {"{}", 1, "expected 0 bytes of data after the header, found 1"},
      {R"({"a":1})", 0, "tensor \"a\": expected the key \"dtype\", found 1"},
      {R"({"a":{}})", 0, "expected the key \"dtype\""},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "expected the key \"shape\""},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "expected the key \"data_offsets\""},
      {R"({"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}})", 4, "found \"f32\""},
      {R"({"a":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", 4, "dtype: expected a type"},
      {R"({"a":{"dtype":"F32","shape":4,"data_offsets":[0,4]}})", 4, "shape: expected an array, found 4"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "shape: expected an integer in 0"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "found 1.0"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, "found \"1\""},
      {R"({"a":{"dtype":"F32","shape":[null],"data_offsets":[0,4]}})", 4, "found null"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", 4, "found 9223372036854775808"},
      {R"({"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,4]}})", 4, "expected JSON"},
      {R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0, "less than 2^63 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967297],"data_offsets":[0,4]}})", 4, "less than 2^63 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "data_offsets: expected 2 numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}})", 4, "data_offsets: expected 2 numbers"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":{"0":0,"1":4}}})", 4, "data_offsets: expected an array"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "expected a range in 0 ... 4, found [0,8]"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "expected a range in 0 ... 4, found [4,0]"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "expected an integer in 0"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "expected 8 bytes for dtype and shape, found 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "expected to begin at 0"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 8, "expected 4 bytes of data after the header"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "expected to begin at 4"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "expected to begin at 8"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       12, "tensor \"b\": data_offsets: expected to begin at 4"},
      {R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "tensor \"a\": data_offsets: expected to begin at 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       4, "found \"a\" twice"},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "found \"dtype\" twice"},
      {R"({"__metadata__":[]})", 0, "__metadata__: expected an object"},
      {R"({"__metadata__":{"a":1}})", 0, "__metadata__: \"a\": expected a string, found 1"},
  };
  const TemporaryDirectory directory;
  const auto path = directory.path() / "bad.safetensors";
  for (const BadFile& file : bad) {
    SCOPED_TRACE(file.header);
    put(path, file_bytes(file.header, std::string(file.data_bytes, '\0')));
    const std::string error = error_of<CheckpointError>([&] { TensorFile{path}; });
    EXPECT_TRUE(contains(error, path.string()));
    EXPECT_TRUE(contains(error, file.error));
  }
}

TEST(TensorFile, RefusesNulBytesAndDepthInTheHeader) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "bad.safetensors";
  put(path, file_bytes(std::string("{}\0{", 4), ""));
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { TensorFile{path}; }), "NUL"));
  put(path, file_bytes("{\"a\":" + std::string(1'000'000, '['), ""));
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { TensorFile{path}; }), "levels of JSON"));
}

TEST(TensorFile, RefusesAHeaderLengthThatIsWrong) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "bad.safetensors";
  for (const std::uint64_t length : {std::uint64_t{3}, std::uint64_t{100'000'001}, std::uint64_t{1} << 63,
                                     std::numeric_limits<std::uint64_t>::max() - 7}) {
    put(path, bytes_of(std::vector<std::uint64_t>{length}) + "{}");
    EXPECT_TRUE(contains(error_of<CheckpointError>([&] { TensorFile{path}; }), "header of at most 2 bytes"));
  }
  // The cap holds also where the file is long enough; it is sparse.
  put(path, bytes_of(std::vector<std::uint64_t>{100'000'001}) + "{}");
  std::filesystem::resize_file(path, 200'000'000);
  EXPECT_TRUE(contains(error_of<CheckpointError>([&] { TensorFile{path}; }), "header of at most 100000000 bytes"));
}

// --- damage ----------------------------------------------------------------------------------------------------------

std::string small_file(const std::filesystem::path& path) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> ids = {1, -1};
  write_safetensors(path,
                    {{"a", Dtype::f32, {2, 3}, x.data()},
                     {"b", Dtype::bf16, {3}, x.data()},
                     {"ids", Dtype::i64, {2}, ids.data()},
                     {"empty", Dtype::f16, {0}, x.data()}},
                    {{"format", "pt"}});
  return get(path);
}

TEST(TensorFile, RefusesEveryTruncation) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "cut.safetensors";
  const std::string whole = small_file(path);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    put(path, whole.substr(0, n));
    ASSERT_THROW(TensorFile{path}, CheckpointError) << n;
  }
  put(path, whole + "x");
  EXPECT_THROW(TensorFile{path}, CheckpointError);
}

TEST(TensorFile, SurvivesEveryChangedByteOfTheHeader) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "flipped.safetensors";
  const std::string whole = small_file(path);
  std::uint64_t length = 0;
  std::memcpy(&length, whole.data(), sizeof length);
  int refused = 0, accepted = 0;
  for (std::size_t i = 0; i < sizeof length + length; ++i) {
    for (const char flip : {'\x01', '\x02', '\x04', '\x08', '\x10', '\x20', '\x40', '\x80', whole[i]}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      put(path, changed);
      try {
        const TensorFile file(path);  // a name or metadata may have become another; then everything is readable
        ++accepted;
        for (const std::string& name : file.names()) {
          const TensorInfo& info = file.info(name);
          ASSERT_LE(info.size(), static_cast<Index>(whole.size()));
          try {
            read_all<double>(file, name);
          } catch (const CheckpointError&) {
          }
          try {
            read_all<std::int32_t>(file, name);
          } catch (const CheckpointError&) {
          }
        }
      } catch (const CheckpointError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 10);
}

// --- writing ---------------------------------------------------------------------------------------------------------

TEST(WriteSafetensors, WritesTheseBytes) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  const std::vector<float> b = {1, 2, 3};
  const double a = -0.5;
  write_safetensors(path, {{"b", Dtype::bf16, {3, 1}, b.data()}, {"a", Dtype::f64, {}, &a}}, {{"format", "pt"}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"b":{"data_offsets":[0,6],"dtype":"BF16","shape":[3,1]},)"
      R"("a":{"data_offsets":[6,14],"dtype":"F64","shape":[]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(get(path),
            file_bytes(padded, bytes_of<std::uint16_t>({0x3f80, 0x4000, 0x4040}) + bytes_of<double>({-0.5})));
  write_safetensors(path, {});
  EXPECT_EQ(get(path), file_bytes("{}      ", ""));
  EXPECT_TRUE(TensorFile(path).names().empty());
}

TEST(WriteSafetensors, ReadsBackWhatItWrote) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  // More elements than are converted at a time, and not a multiple of them.
  constexpr Index n = (Index{1} << 16) * 2 + 77;
  std::vector<float> f(n);
  std::vector<double> d(n);
  std::vector<std::int64_t> i(n);
  for (std::size_t k = 0; k < f.size(); ++k) {
    f[k] = std::sin(static_cast<float>(k)) * 10;
    d[k] = std::cos(static_cast<double>(k)) / 3;
    i[k] = static_cast<std::int64_t>(k) - 100;
  }
  const std::string odd = "\u00fc \"\\\n";
  write_safetensors(path,
                    {{"f as f32", Dtype::f32, {n}, f.data()},
                     {"f as f64", Dtype::f64, {n}, f.data()},
                     {"f as f16", Dtype::f16, {1, n}, f.data()},
                     {"d as bf16", Dtype::bf16, {n}, d.data()},
                     {"d as f32", Dtype::f32, {n}, d.data()},
                     {"d as f64", Dtype::f64, {n}, d.data()},
                     {odd, Dtype::i64, {n, 1}, i.data()}},
                    {{odd, odd}});
  const TensorFile file(path);
  EXPECT_EQ(file.metadata().at(odd), odd);
  EXPECT_EQ(read_all<float>(file, "f as f32"), f);
  EXPECT_EQ(read_all<float>(file, "f as f64"), f);
  EXPECT_EQ(read_all<double>(file, "d as f64"), d);
  EXPECT_EQ(read_all<std::int64_t>(file, odd), i);
  const std::vector<float> f16 = read_all<float>(file, "f as f16"), f32 = read_all<float>(file, "d as f32");
  const std::vector<double> bf16 = read_all<double>(file, "d as bf16");
  for (std::size_t k = 0; k < f.size(); ++k) {
    ASSERT_LE(std::abs(f16[k] - f[k]), std::max(std::abs(f[k]) * 0x1p-11f, 0x1p-25f));  // half a unit of 11 bits
    ASSERT_LE(std::abs(bf16[k] - d[k]), std::abs(d[k]) * 0x1p-8);                       // half a unit of 8 bits
    ASSERT_EQ(f32[k], static_cast<float>(d[k]));
  }
}

TEST(WriteSafetensors, RefusesAndLeavesTheOldFile) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  const double x[2] = {1, 70000};
  const std::int64_t i = 1;
  write_safetensors(path, {{"x", Dtype::f32, {2}, x}});
  const std::string before = get(path);
  const auto error = [&](const std::vector<TensorSource>& tensors) {
    return error_of<CheckpointError>([&] { write_safetensors(path, tensors); });
  };
  EXPECT_TRUE(
      contains(error({{"x", Dtype::f16, {2}, x}}), "tensor \"x\": expected numbers that F16 holds, found 70000"));
  EXPECT_TRUE(contains(error({{"x", Dtype::i64, {2}, x}}), "dtype: expected F64, F32, F16 or BF16, found I64"));
  EXPECT_TRUE(contains(error({{"x", Dtype::f64, {1}, &i}}), "dtype: expected I64, found F64"));
  EXPECT_TRUE(contains(error({{"x", Dtype::f32, {1}, x}, {"x", Dtype::f32, {1}, x}}), "found one that is taken"));
  EXPECT_TRUE(contains(error({{"__metadata__", Dtype::f32, {1}, x}}), "found one that is taken"));
  EXPECT_TRUE(contains(error({{"\xff", Dtype::f32, {1}, x}}), "UTF-8"));
  EXPECT_TRUE(contains(error({{"x", Dtype::f32, {-1}, x}}), "extents of at least 0"));
  EXPECT_TRUE(contains(error({{"x", Dtype::f32, {Index{1} << 40, Index{1} << 40}, x}}), "less than 2^63"));
  const double huge = 1e39;
  EXPECT_TRUE(contains(error({{"x", Dtype::f32, {}, &huge}}), "that F32 holds"));
  EXPECT_EQ(get(path), before);
  EXPECT_EQ(support::names_in(directory.path()), std::set<std::string>{"a.safetensors"});

  EXPECT_THROW(write_safetensors(directory.path() / "none" / "a", {}), CheckpointError);
  EXPECT_THROW(write_safetensors(directory.path(), {}), CheckpointError);
  EXPECT_THROW(write_safetensors("/dev/null", {}), CheckpointError);
}

TEST(WriteSafetensors, ReportsAFullDiskAndLeavesTheOldFile) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "a.safetensors";
  const std::vector<float> x(100'000, 1.0f);
  write_safetensors(path, {{"x", Dtype::f32, {10}, x.data()}});
  const std::string before = get(path);
  const pid_t child = ::fork();
  if (child == 0) {  // where no file may grow beyond 64 KiB
    const rlimit limit = {1 << 16, 1 << 16};
    std::signal(SIGXFSZ, SIG_IGN);
    bool reported = false;
    if (::setrlimit(RLIMIT_FSIZE, &limit) == 0) {
      try {
        write_safetensors(path, {{"x", Dtype::f32, {100'000}, x.data()}});
      } catch (const CheckpointError& e) {
        reported = contains(e.what(), path.string());
      }
    }
    ::_exit(reported ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(get(path), before);
  EXPECT_EQ(support::names_in(directory.path()), std::set<std::string>{"a.safetensors"});
}

}  // namespace
}  // namespace ttt
