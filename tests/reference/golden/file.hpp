// SPDX-License-Identifier: MIT
// One golden file being checked: its configuration, its tensors, how far off what we compute is, and which tensors are
// left. The data say what the official implementation computes, run in double from inputs and parameters in float.
#pragma once

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/in_rows.hpp"
#include "ttt/io/safetensors.hpp"
#include "ttt/model/config.hpp"

namespace ttt::support {

/// The scalar type that we compute with.
enum class Precision { f32, f64 };

/// Decides the bound in double.
enum class Quantity { value, gradient, training };

/// max|a - b| / max|b| over one tensor; max|a| where b is all zero.
struct Deviation {
  double error = 0;
  double bound = 0;
  std::string tensor;
};

class GoldenFile {
 public:
  /// `name` stands in messages. Throws Error or nlohmann::json::exception if the file is not a golden one.
  GoldenFile(const std::filesystem::path& path, std::string name, Precision precision);

  const std::filesystem::path& path() const { return file_.path(); }
  Precision precision() const { return precision_; }
  /// The metadata `config`, of a language model or of what it is made of.
  ModelConfig config() const;
  /// The same of another layer, as it stands there.
  const nlohmann::json& layer_config() const { return config_; }
  /// The metadata `case`.
  const nlohmann::json& description() const { return description_; }
  bool contains(const std::string& tensor) const { return file_.contains(tensor); }

  template <class T, int Rank>
  Tensor<T, Rank> input(const std::string& tensor) {
    const std::vector<Index>& found = file_.info(tensor).shape;
    require(found.size() == Rank, tensor, ": expected ", Rank, " dimensions, found ", found.size());
    Shape<Rank> shape;
    std::copy_n(found.begin(), Rank, shape.begin());
    Tensor<T, Rank> t(shape);
    read(tensor, t);
    return t;
  }

  /// All parameters: the tensors PREFIXname for the names of `visit`.
  template <class Params>
  void read_params(const std::string& prefix, Params& params) {
    Params::visit([&](const std::string& name, auto& t) { read(prefix + name, t); }, params);
  }

  /// Compares with the tensor f64.NAME.
  template <class T, int Rank>
  void compare(const std::string& name, Quantity quantity, const Tensor<T, Rank>& found) {
    const std::vector<Index> shape(found.shape().begin(), found.shape().end());
    measure(name, bound_of(name, quantity), {found.begin(), found.end()}, expected("f64." + name, shape));
  }

  /// The same for what only some files hold. A tensor of theirs that is never asked for fails in the end.
  template <class T, int Rank>
  void compare_if_given(const std::string& name, Quantity quantity, const Tensor<T, Rank>& found) {
    if (contains("f64." + name)) compare(name, quantity, found);
  }

  /// Parameters, or what has their type: the tensors f64.PREFIXname.
  template <class Params>
  void compare_if_given(const std::string& prefix, Quantity quantity, const Params& found) {
    Params::visit(
        [&](const std::string& name, const auto& t) { compare_if_given(prefix + name, quantity, in_rows(t)); }, found);
  }

  /// f64.NAME [batch, channels, k], the last k inputs of a convolution. We keep k - 1: tails[i] is [k - 1, channels].
  template <class T>
  void compare_if_given(const std::string& name, const std::vector<const Tensor<T, 2>*>& tails) {
    if (!contains("f64." + name)) return;
    const Index batch = static_cast<Index>(tails.size()), k = tails.front()->extent(0) + 1;
    const Index channels = config().hidden_size;
    const Expected all = expected("f64." + name, {batch, channels, k});
    std::vector<double> found;
    Expected last{{}, all.rounded_to_float};
    for (Index i = 0; i < batch; ++i) {
      for (Index c = 0; c < channels; ++c) {
        for (Index j = 0; j + 1 < k; ++j) {
          found.push_back(static_cast<double>((*tails[static_cast<std::size_t>(i)])[j][c]));
          last.values.push_back(all.values[static_cast<std::size_t>((i * channels + c) * k + j + 1)]);
        }
      }
    }
    measure(name, bound_of(name, Quantity::value), found, last);
  }

  /// Compares with the tensor NAME: numbers that are computed in double in either precision.
  void compare_doubles(const std::string& name, const Tensor<double, 1>& found) {
    measure(name, 1e-12, {found.begin(), found.end()}, expected(name, {found.size()}));
  }

  /// Records a deviation that was measured in another way.
  void record(const Deviation& deviation);
  /// max(1e-5, 10 `float_error`) in float, the tight bound of the quantity in double.
  double bound(Quantity quantity, double float_error) const;
  void fail(const std::string& message);
  /// Fails for every tensor that was neither read nor compared. What the official float run gave is for information.
  void check_that_nothing_is_left();

  const Deviation& worst() const { return worst_; }
  const std::vector<std::string>& failures() const { return failures_; }

 private:
  struct Expected {
    std::vector<double> values;
    bool rounded_to_float;
  };

  template <class T, int Rank>
  void read(const std::string& tensor, Tensor<T, Rank>& t) {
    check_shape(tensor, {t.shape().begin(), t.shape().end()});
    file_.read(tensor, t.data(), t.size());
    used_.insert(tensor);
  }

  template <class T>
  void read(const std::string& tensor, Dense<T>& W) {
    Tensor<T, 2> rows(W.shape());
    read(tensor, rows);
    W = Dense<T>(rows);
  }

  void check_shape(const std::string& tensor, const std::vector<Index>& expected) const;
  Expected expected(const std::string& tensor, const std::vector<Index>& shape);
  double bound_of(const std::string& name, Quantity quantity) const;
  void measure(const std::string& name, double bound, const std::vector<double>& found, const Expected& expected);

  TensorFile file_;
  std::string name_;
  Precision precision_;
  nlohmann::json config_, description_, float32_error_;
  std::set<std::string> used_;
  Deviation worst_;
  std::vector<std::string> failures_;
};

/// The files of each kind: everything the file holds is computed and compared.
void check_layer(GoldenFile& file);
void check_decode(GoldenFile& file);
void check_block(GoldenFile& file);
void check_model(GoldenFile& file);
void check_train(GoldenFile& file);
void check_baseline(GoldenFile& file);

/// Whether the library has the layer of a file of kind baseline.
bool has_baseline(const std::string& layer);

}  // namespace ttt::support
