// SPDX-License-Identifier: MIT
// Weights of dense layers in and out of panels.
#include "ttt/ops/dense.hpp"

#include <cmath>
#include <cstring>
#include <new>
#include <type_traits>

#include "kernels/panels.hpp"
#include "ops/half.hpp"
#include "ttt/base/enums.hpp"
#include "ttt/base/parallel.hpp"

namespace ttt {

namespace detail {

ZeroedBytes::ZeroedBytes(Index size) : size_(size) {
  if (size == 0) return;
  std::size_t space = static_cast<std::size_t>(size) + alignment;
  memory_.reset(std::calloc(space, 1));
  if (!memory_) throw std::bad_alloc();
  void* p = memory_.get();
  aligned_ = static_cast<std::byte*>(std::align(alignment, static_cast<std::size_t>(size), p, space));
}

ZeroedBytes::ZeroedBytes(const ZeroedBytes& other) : ZeroedBytes(other.size_) {
  if (size_ > 0) std::memcpy(aligned_, other.aligned_, static_cast<std::size_t>(size_));
}

ZeroedBytes::ZeroedBytes(ZeroedBytes&& other) noexcept
    : memory_(std::move(other.memory_)),
      aligned_(std::exchange(other.aligned_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

ZeroedBytes& ZeroedBytes::operator=(ZeroedBytes other) noexcept {
  memory_ = std::move(other.memory_);
  aligned_ = other.aligned_;
  size_ = other.size_;
  return *this;
}

}  // namespace detail

namespace {

/// Where the numbers of one output lie: element i of its inputs is at [i * columns].
template <class T>
struct Column {
  ops::PanelLayout<T> layout;
  Index first, columns, column;
  std::byte* panel;

  Column(const ops::Panels<T>& W, std::byte* memory, Index output)
      : layout(W),
        first(output / layout.width * layout.width),
        columns(layout.columns(first)),
        column(output - first),
        panel(memory + layout.offset(first)) {}

  template <class E>
  E* elements() const {
    return reinterpret_cast<E*>(panel) + column;
  }

  /// f(first input, number of inputs, integers, factor) for the blocks of the format q8.
  template <class F>
  void each_q8_block(const F& f) const {
    for (Index begin = 0; begin < layout.inputs; begin += ops::q8_inputs) {
      const Index n = std::min(ops::q8_inputs, layout.inputs - begin);
      std::byte* block = panel + layout.bytes(columns, begin);
      f(begin, n, reinterpret_cast<std::int8_t*>(block) + column,
        reinterpret_cast<std::uint16_t*>(block + n * columns)[column]);
    }
  }
};

/// The least bf16 number f with 127 f >= largest.
std::uint16_t q8_factor(double largest) {
  std::uint16_t factor = detail::Bfloat16::encode(largest / 127);
  if (127.0 * static_cast<double>(ops::from_bf16(factor)) < largest) ++factor;
  return factor;
}

template <class T>
void write_row(const Column<T>& at, View<const T, 1> row) {
  switch (at.layout.format) {
    case WeightFormat::full: {
      T* to = at.template elements<T>();
      for (Index i = 0; i < row.size(); ++i) to[i * at.columns] = row[i];
      return;
    }
    case WeightFormat::bf16: {
      auto* to = at.template elements<std::uint16_t>();
      for (Index i = 0; i < row.size(); ++i) {
        to[i * at.columns] = detail::Bfloat16::encode(static_cast<double>(row[i]));
      }
      return;
    }
    case WeightFormat::q8:
      break;
  }
  at.each_q8_block([&](Index begin, Index n, std::int8_t* integers, std::uint16_t& factor) {
    double largest = 0;
    for (Index i = begin; i < begin + n; ++i) {
      require<Error>(std::isfinite(row[i]), "8-bit weights: expected finite numbers, found ", row[i]);
      largest = std::max(largest, std::abs(static_cast<double>(row[i])));
    }
    factor = q8_factor(largest);
    if (largest == 0) return;
    for (Index i = 0; i < n; ++i) {
      const double steps = static_cast<double>(row[begin + i]) / static_cast<double>(ops::from_bf16(factor));
      integers[i * at.columns] = static_cast<std::int8_t>(steps + (steps < 0 ? -0.5 : 0.5));
    }
  });
}

template <class T>
void read_row(const Column<T>& at, View<T, 1> row) {
  switch (at.layout.format) {
    case WeightFormat::full: {
      const T* from = at.template elements<const T>();
      for (Index i = 0; i < row.size(); ++i) row[i] = from[i * at.columns];
      return;
    }
    case WeightFormat::bf16: {
      const auto* from = at.template elements<const std::uint16_t>();
      for (Index i = 0; i < row.size(); ++i) row[i] = static_cast<T>(ops::from_bf16(from[i * at.columns]));
      return;
    }
    case WeightFormat::q8:
      break;
  }
  at.each_q8_block([&](Index begin, Index n, const std::int8_t* integers, std::uint16_t factor) {
    for (Index i = 0; i < n; ++i) {
      row[begin + i] = static_cast<T>(ops::from_bf16(factor) * static_cast<float>(integers[i * at.columns]));
    }
  });
}

}  // namespace

template <class T>
Dense<T>::Dense(const Shape<2>& shape, WeightFormat format) : shape_(shape), format_(format) {
  require<ConfigError>(format == WeightFormat::full || sizeof(T) == sizeof(float),
                       "weights in double: expected the format full, found ", name(format));
  count(shape);
  memory_ = detail::ZeroedBytes(ops::PanelLayout<T>(panels()).bytes());
}

template <class T>
Dense<T>::Dense(View<const T> W, WeightFormat format) : Dense(W.shape(), format) {
  const FloatEnvironment environment;
  for (Index o = 0; o < W.rows(); ++o) write_row(Column<T>(panels(), memory_.data(), o), W[o]);
}

template <class T>
Dense<T>::Dense(Dense&& other) noexcept
    : shape_(std::exchange(other.shape_, {})), format_(other.format_), memory_(std::move(other.memory_)) {}

template <class T>
Dense<T>& Dense<T>::operator=(Dense&& other) noexcept {
  shape_ = std::exchange(other.shape_, {});
  format_ = other.format_;
  memory_ = std::move(other.memory_);
  return *this;
}

template <class T>
Tensor<T, 2> Dense<T>::tensor() const {
  Tensor<T, 2> W(shape_);
  for (Index o = 0; o < shape_[0]; ++o) copy_row(o, W[o]);
  return W;
}

template <class T>
void Dense<T>::copy_row(Index output, View<T, 1> row) const {
  assert(row.size() == shape_[1]);
  read_row(Column<T>(panels(), memory_.data(), output), row);
}

template <class T>
void Dense<T>::add_row(Index output, View<const T, 1> row) {
  check_full();
  const Column<T> at(panels(), memory_.data(), output);
  T* to = at.template elements<T>();
  for (Index i = 0; i < row.size(); ++i) to[i * at.columns] += row[i];
}

template <class T>
View<T, 1> Dense<T>::values() {
  return {check_full(), {memory_.size() / static_cast<Index>(sizeof(T))}};
}

template <class T>
ops::Panels<T> Dense<T>::panels(Index first, Index n) const {
  assert(first % panel_outputs == 0 && 0 <= n && first + n <= shape_[0]);
  return {memory_.data() + ops::PanelLayout<T>(panels()).offset(first), n, shape_[1], format_};
}

template <class T>
T* Dense<T>::panel(Index first) {
  assert(first % panel_outputs == 0);
  return check_full() + ops::PanelLayout<T>(panels()).offset(first) / static_cast<Index>(sizeof(T));
}

template <class T>
T* Dense<T>::check_full() const {
  require<Error>(format_ == WeightFormat::full, "expected weights in full precision, found ", name(format_));
  return reinterpret_cast<T*>(memory_.data());
}

const char* name(WeightFormat format) {
  static constexpr detail::Named<WeightFormat> formats[] = {
      {WeightFormat::full, "full"}, {WeightFormat::bf16, "bf16"}, {WeightFormat::q8, "q8"}};
  return detail::row_of(formats, format, "WeightFormat").name;
}

template class Dense<float>;
template class Dense<double>;

}  // namespace ttt
