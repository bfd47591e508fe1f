// SPDX-License-Identifier: MIT
// Writes safetensors, streamed: never more than one tensor is in memory a second time.
#include <algorithm>
#include <cmath>
#include <set>
#include <type_traits>

#include "io/file.hpp"
#include "io/float_formats.hpp"
#include "io/parse_json.hpp"
#include "io/safetensors_format.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {
namespace {

using namespace detail;
using nlohmann::json;

constexpr std::size_t alignment = 8;  // of the data in the file

void require_storable(const TensorSource& source, const std::string& where) {
  if (std::holds_alternative<const std::int64_t*>(source.data)) {
    require<CheckpointError>(source.dtype == Dtype::i64, where, ": dtype: expected I64, found ", name(source.dtype));
  } else {
    require_float_format(source.dtype, where + ": dtype");
  }
  require<CheckpointError>(data_size(source.shape, source.dtype) >= 0, where,
                           ": shape: expected extents of at least 0, and less than 2^63 bytes");
}

/// Length and JSON, padded with spaces.
std::string make_header(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  std::set<std::string> names;
  Index offset = 0;
  try {
    if (!metadata.empty()) text += json(metadata_key).dump() + ":" + json(metadata).dump();
    for (const TensorSource& source : tensors) {
      const std::string where = path.string() + ": tensor " + quoted(source.name);
      require_storable(source, where);
      require<CheckpointError>(source.name != metadata_key && names.insert(source.name).second, where,
                               ": expected another name, found one that is taken");
      const Index bytes = data_size(source.shape, source.dtype);
      require<CheckpointError>(bytes <= max_index - offset, where,
                               ": expected less than 2^63 bytes of data, found more");
      const json entry = {
          {"dtype", name(source.dtype)}, {"shape", source.shape}, {"data_offsets", {offset, offset + bytes}}};
      text += (text.size() > 1 ? "," : "") + json(source.name).dump() + ":" + entry.dump();
      offset += bytes;
    }
  } catch (const json::exception& e) {
    throw CheckpointError(path.string() + ": expected names and metadata in UTF-8, found: " + e.what());
  }
  text += "}";
  while (text.size() % alignment != 0) text += ' ';
  require<CheckpointError>(text.size() <= std::size_t{max_text}, path.string(), ": expected a header of at most ",
                           max_text, " bytes, found ", text.size());

  const std::uint64_t length = text.size();
  std::string header(std::size_t{length_bytes}, '\0');
  std::copy_n(reinterpret_cast<const char*>(&length), length_bytes, header.begin());
  return header + text;
}

template <class T>
void write_numbers(OutputFile& file, const TensorSource& source, const T* data, const std::string& where) {
  const Index n = TensorInfo{source.dtype, source.shape}.size();
  if constexpr (std::is_integral_v<T>) {
    file.write(data, n * Index{sizeof(T)});
  } else {
    with_float_format(source.dtype, where, [&]<class Format>(Format) {
      using Stored = typename Format::Stored;
      if constexpr (std::is_same_v<Stored, T>) {
        file.write(data, n * Index{sizeof(T)});
        return;
      }
      const auto encode = [&](T x) {
        const Stored code = Format::encode(static_cast<double>(x));
        if (std::isfinite(x) && !std::isfinite(Format::decode(code))) {
          require<CheckpointError>(false, where, ": expected numbers that ", name(source.dtype), " holds, found ", x);
        }
        return code;
      };
      std::vector<Stored> stored(static_cast<std::size_t>(std::min(n, piece)));
      for (Index done = 0; done < n;) {
        const Index m = std::min(n - done, piece);
        std::transform(data + done, data + done + m, stored.begin(), encode);
        file.write(stored.data(), m * Index{sizeof(Stored)});
        done += m;
      }
    });
  }
}

template <class T>
void write_numbers(OutputFile& file, const TensorSource& source, const Dense<T>* W, const std::string& where) {
  write_numbers(file, source, W->tensor().data(), where);
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<TensorSource>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const FloatEnvironment environment;
  const std::string header = make_header(path, tensors, metadata);
  OutputFile file(path);
  file.write(header.data(), static_cast<Index>(header.size()));
  for (const TensorSource& source : tensors) {
    const std::string where = path.string() + ": tensor " + quoted(source.name);
    std::visit([&](const auto* data) { write_numbers(file, source, data, where); }, source.data);
  }
  file.commit();
}

}  // namespace ttt
