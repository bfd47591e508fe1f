// SPDX-License-Identifier: MIT
// Reads safetensors: nothing that a file says is believed before it has been compared with the rest.
#include "ttt/io/safetensors.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <type_traits>

#include "io/file.hpp"
#include "io/file_names.hpp"
#include "io/float_formats.hpp"
#include "io/parse_json.hpp"
#include "io/safetensors_format.hpp"
#include "ttt/base/enums.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {
namespace {

using namespace detail;
using nlohmann::json;

struct DtypeTraits {
  Dtype value;
  const char* name;
  Index bytes;
};

constexpr DtypeTraits dtypes[] = {
    {Dtype::f64, "F64", 8},   {Dtype::f32, "F32", 4},         {Dtype::f16, "F16", 2},
    {Dtype::bf16, "BF16", 2}, {Dtype::f8_e4m3, "F8_E4M3", 1}, {Dtype::f8_e5m2, "F8_E5M2", 1},
    {Dtype::i64, "I64", 8},   {Dtype::i32, "I32", 4},         {Dtype::i16, "I16", 2},
    {Dtype::i8, "I8", 1},     {Dtype::u64, "U64", 8},         {Dtype::u32, "U32", 4},
    {Dtype::u16, "U16", 2},   {Dtype::u8, "U8", 1},           {Dtype::boolean, "BOOL", 1}};

const DtypeTraits& traits(Dtype dtype) { return row_of(dtypes, dtype, "Dtype"); }

// --- the header ------------------------------------------------------------------------------------------------------

/// A number that is an Index of at least 0.
Index read_index(const json& value, const std::string& where) {
  require<CheckpointError>(value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{max_index}, where,
                           ": expected an integer in 0 ... 2^63 - 1, found ", excerpt(value));
  return static_cast<Index>(value.get<std::uint64_t>());
}

const json& member(const json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  require<CheckpointError>(found != object.end(), where, ": expected the key \"", key, "\", found ", excerpt(object));
  return *found;
}

const json& array_member(const json& object, const char* key, const std::string& where) {
  const json& value = member(object, key, where);
  require<CheckpointError>(value.is_array(), where, ": ", key, ": expected an array, found ", excerpt(value));
  return value;
}

TensorInfo read_info(const json& value, const std::string& where) {
  const json& dtype = member(value, "dtype", where);
  const std::optional<Dtype> known =
      dtype.is_string() ? value_of(dtypes, dtype.get_ref<const std::string&>()) : std::nullopt;
  require<CheckpointError>(known.has_value(), where, ": dtype: expected a type of the safetensors format, found ",
                           excerpt(dtype));
  TensorInfo info{*known, {}};
  for (const json& extent : array_member(value, "shape", where)) {
    info.shape.push_back(read_index(extent, where + ": shape"));
  }
  require<CheckpointError>(data_size(info.shape, info.dtype) >= 0, where,
                           ": shape: expected less than 2^63 bytes, found ", excerpt(value));
  return info;
}

std::map<std::string, std::string> read_metadata(const json& value, const std::string& where) {
  require<CheckpointError>(value.is_object(), where, ": expected an object, found ", excerpt(value));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    require<CheckpointError>(text.is_string(), where, ": ", quoted(key), ": expected a string, found ", excerpt(text));
    metadata[key] = text;
  }
  return metadata;
}

/// The JSON text of the header, after a check of its length.
std::string read_header(const InputFile& file) {
  const std::string where = file.path().string();
  require<CheckpointError>(file.size() >= length_bytes, where, ": expected at least ", length_bytes, " bytes, found ",
                           file.size());
  std::uint64_t length = 0;
  file.read(0, &length, length_bytes);
  const Index most = std::min(file.size() - length_bytes, max_text);
  require<CheckpointError>(length <= static_cast<std::uint64_t>(most), where, ": expected a header of at most ", most,
                           " bytes, found a length of ", length);
  std::string text(static_cast<std::size_t>(length), '\0');
  file.read(length_bytes, text.data(), static_cast<Index>(length));
  require<CheckpointError>(text.starts_with('{'), where, ": expected a header that begins with {, found ",
                           text.empty() ? "an empty one" : "something else");
  return text;
}

// --- reading data ----------------------------------------------------------------------------------------------------

/// Whether T has the integer `value`, or can hold it as a finite number if it is one.
template <class T, class S>
bool fits(S value) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(value) == value;
  } else {
    return std::isfinite(static_cast<T>(value)) || !std::isfinite(value);
  }
}

/// Elements as they lie in the file, of type Stored, through `decode` into out.
template <class Stored, class T, class Decode>
void read_numbers(const InputFile& file, Index offset, T* out, Index n, const std::string& where,
                  const Decode& decode) {
  if constexpr (std::is_same_v<Stored, T>) {
    file.read(offset, out, n * Index{sizeof(T)});
    return;
  }
  std::vector<Stored> stored(static_cast<std::size_t>(std::min(n, piece)));
  for (Index done = 0; done < n;) {
    const Index m = std::min(n - done, piece);
    file.read(offset + done * Index{sizeof(Stored)}, stored.data(), m * Index{sizeof(Stored)});
    for (Index i = 0; i < m; ++i) {
      const auto value = decode(stored[static_cast<std::size_t>(i)]);
      if (!fits<T>(value)) {
        require<CheckpointError>(false, where, ": expected numbers of ", 8 * sizeof(T), " bits, found ", value);
      }
      out[done + i] = static_cast<T>(value);
    }
    done += m;
  }
}

}  // namespace

const char* name(Dtype dtype) { return traits(dtype).name; }

Index byte_size(Dtype dtype) { return traits(dtype).bytes; }

Index TensorInfo::size() const {
  Index n = 1;
  for (const Index extent : shape) n *= extent;
  return n;
}

TensorFile::TensorFile(const std::filesystem::path& path) : file_(std::make_shared<InputFile>(path)) {
  const std::string text = read_header(*file_);
  const json header = parse_json(text, path.string());
  const Index data = length_bytes + static_cast<Index>(text.size()), data_bytes = file_->size() - data;

  struct Extent {
    Index begin, end;
    const std::string* name;
  };
  std::vector<Extent> extents;
  for (const auto& [name, value] : header.get_ref<const json::object_t&>()) {
    if (name == metadata_key) {
      metadata_ = read_metadata(value, path.string() + ": " + metadata_key);
      continue;
    }
    const std::string tensor = where(name);
    TensorInfo info = read_info(value, tensor);
    const json& offsets = array_member(value, "data_offsets", tensor);
    require<CheckpointError>(offsets.size() == 2, tensor, ": data_offsets: expected 2 numbers, found ",
                             excerpt(offsets));
    const Index begin = read_index(offsets[0], tensor), end = read_index(offsets[1], tensor);
    require<CheckpointError>(begin <= end && end <= data_bytes, tensor, ": data_offsets: expected a range in 0 ... ",
                             data_bytes, ", found ", excerpt(offsets));
    const Index bytes = data_size(info.shape, info.dtype);
    require<CheckpointError>(end - begin == bytes, tensor, ": data_offsets: expected ", bytes,
                             " bytes for dtype and shape, found ", end - begin);
    extents.push_back({begin, end, &name});
    entries_.emplace(name, Entry{std::move(info), data + begin});
  }

  // By begin and then by end, so that an empty tensor stands before the one that begins at its place.
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
  Index expected = 0;
  for (const Extent& extent : extents) {
    require<CheckpointError>(extent.begin == expected, where(*extent.name), ": data_offsets: expected to begin at ",
                             expected, ", where the tensor before ends, found ", extent.begin);
    expected = extent.end;
    names_.push_back(*extent.name);
  }
  require<CheckpointError>(expected == data_bytes, path.string(), ": expected ", expected,
                           " bytes of data after the header, found ", data_bytes);
}

const std::filesystem::path& TensorFile::path() const { return file_->path(); }

std::string TensorFile::where(const std::string& name) const { return path().string() + ": tensor " + quoted(name); }

const TensorFile::Entry& TensorFile::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  require<CheckpointError>(found != entries_.end(), where(name), ": expected in the file, found no such name");
  return found->second;
}

template <TensorElement T>
void TensorFile::read(const std::string& name, T* out, Index n) const {
  const FloatEnvironment environment;
  const Entry& e = entry(name);
  require<CheckpointError>(e.info.size() == n, where(name), ": expected ", n, " elements, found ", e.info.size());
  if constexpr (std::is_integral_v<T>) {
    const auto same = [](auto x) { return x; };
    if (e.info.dtype == Dtype::i64) {
      read_numbers<std::int64_t>(*file_, e.offset, out, n, where(name), same);
    } else if (e.info.dtype == Dtype::i32) {
      read_numbers<std::int32_t>(*file_, e.offset, out, n, where(name), same);
    } else {
      require<CheckpointError>(false, where(name), ": expected I64 or I32, found ", ttt::name(e.info.dtype));
    }
  } else {
    with_float_format(e.info.dtype, where(name), [&]<class Format>(Format) {
      read_numbers<typename Format::Stored>(*file_, e.offset, out, n, where(name), Format::decode);
    });
  }
}

template TTT_EXPORT void TensorFile::read(const std::string&, float*, Index) const;
template TTT_EXPORT void TensorFile::read(const std::string&, double*, Index) const;
template TTT_EXPORT void TensorFile::read(const std::string&, std::int32_t*, Index) const;
template TTT_EXPORT void TensorFile::read(const std::string&, std::int64_t*, Index) const;

// --- directories -----------------------------------------------------------------------------------------------------

namespace {

/// The index's map from tensors to names of files in the same directory.
std::map<std::string, std::string> read_index_file(const std::filesystem::path& path) {
  const std::string where = path.string();
  const json index = parse_json(read_text(path), where);
  const json& weight_map = member(index, "weight_map", where);
  require<CheckpointError>(weight_map.is_object() && !weight_map.empty(), where,
                           ": weight_map: expected an object with tensors, found ", excerpt(weight_map));
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : weight_map.items()) {
    const std::string found = file.is_string() ? file.get<std::string>() : "";
    // A path that leads elsewhere would let a downloaded model read any file.
    require<CheckpointError>(!found.empty() && std::filesystem::path(found).filename() == found, where, ": tensor ",
                             quoted(name), ": expected the name of a file in the same directory, found ",
                             excerpt(file));
    files[name] = found;
  }
  return files;
}

}  // namespace

TensorDirectory::TensorDirectory(const std::filesystem::path& directory) : directory_(directory) {
  const std::filesystem::path single = directory / model_file, index = directory / index_file;
  std::error_code ignored;  // what cannot be looked at cannot be opened either, and that says why
  if (std::filesystem::exists(single, ignored)) {
    files_.emplace_back(single);
    return;
  }
  require<CheckpointError>(std::filesystem::exists(index, ignored), directory.string(), ": expected ", model_file,
                           " or ", index_file, ", found neither");

  const std::map<std::string, std::string> weight_map = read_index_file(index);
  std::set<std::string> shards;
  for (const auto& [name, shard] : weight_map) shards.insert(shard);
  for (const std::string& shard : shards) {
    const TensorFile& file = files_.emplace_back(directory / shard);
    for (const std::string& name : file.names()) {
      const auto mapped = weight_map.find(name);
      require<CheckpointError>(mapped != weight_map.end() && mapped->second == shard, file.path().string(), ": tensor ",
                               quoted(name), ": expected to be in ",
                               mapped == weight_map.end() ? "no file, by the index" : mapped->second,
                               ", found it here");
    }
  }
  for (const auto& [name, shard] : weight_map) {
    require<CheckpointError>(contains(name), (directory / shard).string(), ": tensor ", quoted(name),
                             ": expected in the file, by the index, found no such name");
  }
}

std::vector<std::string> TensorDirectory::names() const {
  std::vector<std::string> all;
  for (const TensorFile& file : files_) all.insert(all.end(), file.names().begin(), file.names().end());
  return all;
}

const TensorFile* TensorDirectory::find(const std::string& name) const {
  const auto found = std::find_if(files_.begin(), files_.end(), [&](const TensorFile& f) { return f.contains(name); });
  return found == files_.end() ? nullptr : &*found;
}

const TensorFile& TensorDirectory::file(const std::string& name) const {
  const TensorFile* found = find(name);
  require<CheckpointError>(found != nullptr, directory_.string(), ": tensor ", quoted(name),
                           ": expected in the model, found no such name");
  return *found;
}

}  // namespace ttt
