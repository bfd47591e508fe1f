// SPDX-License-Identifier: MIT
// Weights of dense layers, packed once for the products y = x W^T.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "ttt/base/random.hpp"
#include "ttt/ops/kernels.hpp"

namespace ttt {

namespace detail {

/// Zeroed bytes, 64-byte aligned. Large ones take memory only where they are written.
class TTT_EXPORT ZeroedBytes {
 public:
  ZeroedBytes() = default;
  explicit ZeroedBytes(Index size);
  ZeroedBytes(const ZeroedBytes& other);
  ZeroedBytes(ZeroedBytes&& other) noexcept;
  ZeroedBytes& operator=(ZeroedBytes other) noexcept;

  std::byte* data() const { return aligned_; }
  Index size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> memory_;
  std::byte* aligned_ = nullptr;
  Index size_ = 0;
};

}  // namespace detail

/// The weights W [out, in] of a dense layer, in the order in which products read them (see Panels). There is no second
/// copy in the order of checkpoints: `tensor` makes one, and a Dense is made from one.
template <class T>
class Dense {
 public:
  Dense() = default;
  /// Zeros.
  explicit Dense(const Shape<2>& shape, WeightFormat format = WeightFormat::full);
  template <std::size_t n>
  requires detail::OtherRank<n, 2>
  explicit Dense(const Index (&shape)[n], WeightFormat = WeightFormat::full) = delete;
  /// W as given, or rounded: bf16 to nearest even; q8 to the nearest of 255 steps that reach to the largest of 32
  /// inputs. Double has the full format only: otherwise throws ConfigError.
  explicit Dense(View<const T> W, WeightFormat format = WeightFormat::full);
  Dense(const Dense&) = default;
  Dense& operator=(const Dense&) = default;
  // As a tensor, empty once it was moved from.
  Dense(Dense&& other) noexcept;
  Dense& operator=(Dense&& other) noexcept;

  const Shape<2>& shape() const { return shape_; }
  Index extent(int dimension) const { return shape_[static_cast<std::size_t>(dimension)]; }
  Index size() const { return shape_[0] * shape_[1]; }
  bool empty() const { return size() == 0; }
  WeightFormat format() const { return format_; }
  Index bytes() const { return memory_.size(); }

  /// A copy, [out, in].
  Tensor<T, 2> tensor() const;
  /// Row `output` of W, [in].
  void copy_row(Index output, View<T, 1> row) const;
  /// Row `output` of W += row. Full format.
  void add_row(Index output, View<const T, 1> row);

  /// All stored numbers in the order of memory, for what treats them alike; beyond the last output stand zeros, which
  /// must stay zeros. Full format.
  View<T, 1> values();
  View<const T, 1> values() const { return const_cast<Dense&>(*this).values(); }

  ops::Panels<T> panels() const { return {memory_.data(), shape_[0], shape_[1], format_}; }
  /// Outputs first ... first + n - 1; `first` is a multiple of panel_outputs.
  ops::Panels<T> panels(Index first, Index n) const;
  /// Where the panel of output `first`, a multiple of panel_outputs, begins. Full format.
  T* panel(Index first);

  static constexpr Index panel_outputs = 256 / sizeof(T);

 private:
  T* check_full() const;

  Shape<2> shape_{};
  WeightFormat format_ = WeightFormat::full;
  detail::ZeroedBytes memory_;
};

extern template class TTT_EXPORT Dense<float>;
extern template class TTT_EXPORT Dense<double>;

/// Fills with normal(0, deviation^2), in the order of the rows.
template <class T>
void fill_normal(Dense<T>& W, double deviation, Rng& rng) {
  Tensor<T, 2> rows(W.shape());
  fill_normal<T>(View<T, 1>(rows.data(), {rows.size()}), deviation, rng);
  W = Dense<T>(rows);
}

}  // namespace ttt
