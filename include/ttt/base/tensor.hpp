// SPDX-License-Identifier: MIT
// Memory: Tensor owns an array, View looks at one. Row-major, the last dimension always contiguous.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <concepts>
#include <cstddef>
#include <limits>
#include <new>
#include <ostream>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ttt/base/error.hpp"

namespace ttt {

/// Every size and position. Signed, so that differences are what they look like.
using Index = std::ptrdiff_t;

template <int Rank>
using Shape = std::array<Index, static_cast<std::size_t>(Rank)>;

namespace detail {

/// Extents in braces of another rank: an array would take fewer and fill up with zeros.
template <std::size_t Extents, int Rank>
concept OtherRank = Extents != static_cast<std::size_t>(Rank);

template <class Range>
concept Shaped = requires(Range& range) {
  range.shape();
};

/// What converts to a span and has no shape of its own: vectors, arrays, spans.
template <class Range, class T>
concept Elements = !Shaped<Range> && std::convertible_to<Range, std::span<T>>;

}  // namespace detail

/// Number of elements; throws ShapeError for a negative extent or more elements than memory can hold.
template <std::size_t Rank>
Index count(const std::array<Index, Rank>& shape) {
  Index n = 1;
  for (const Index extent : shape) {
    require<ShapeError>(extent >= 0, "expected an extent of at least 0, found ", extent);
    const bool overflows = __builtin_mul_overflow(n, extent, &n);
    require<ShapeError>(!overflows && n <= std::numeric_limits<Index>::max() / 16,
                        "a tensor of more elements than memory can hold: an extent is ", extent);
  }
  return n;
}

/// Looks at elements of a strided array: a pointer, extents and strides. Copying one copies no element.
template <class T, int Rank = 2>
class View {
 public:
  View() = default;

  /// Contiguous elements.
  View(T* data, const Shape<Rank>& shape) : data_(data), shape_(shape) {
    Index stride = 1;
    for (std::size_t d = Rank; d-- > 0;) {
      stride_[d] = stride;
      stride *= shape_[d];
    }
  }

  View(T* data, const Shape<Rank>& shape, const Shape<Rank>& stride) : data_(data), shape_(shape), stride_(stride) {
    assert(stride[Rank - 1] == 1);
  }

  template <std::size_t n>
  requires detail::OtherRank<n, Rank> View(T* data, const Index (&shape)[n])
  = delete;
  template <std::size_t n, std::size_t m>
  requires(detail::OtherRank<n, Rank> || detail::OtherRank<m, Rank>)
      View(T* data, const Index (&shape)[n], const Index (&stride)[m])
  = delete;

  /// All elements of a contiguous range. As with std::span, only a view of constants may look at a temporary one, which
  /// lives to the end of the call.
  template <class Range>
  requires(Rank == 1 && detail::Elements<Range, T>) View(Range&& range) {
    const std::span<T> elements = std::forward<Range>(range);
    *this = View(elements.data(), {static_cast<Index>(elements.size())});
  }

  operator View<const T, Rank>() const requires(!std::is_const_v<T>) { return {data_, shape_, stride_}; }

  T* data() const { return data_; }
  const Shape<Rank>& shape() const { return shape_; }
  Index extent(int dimension) const { return shape_[static_cast<std::size_t>(dimension)]; }
  Index stride(int dimension) const { return stride_[static_cast<std::size_t>(dimension)]; }
  Index rows() const { return shape_.front(); }
  Index cols() const { return shape_.back(); }
  Index size() const {
    Index n = 1;
    for (const Index extent : shape_) n *= extent;
    return n;
  }

  T* begin() const requires(Rank == 1) { return data_; }
  T* end() const requires(Rank == 1) { return data_ + shape_[0]; }

  /// Element i of a vector; otherwise the view of what lies at index i of the first dimension.
  decltype(auto) operator[](Index i) const {
    assert(0 <= i && i < shape_[0]);
    if constexpr (Rank == 1) {
      return (data_[i]);
    } else {
      Shape<Rank - 1> shape, stride;
      std::copy(shape_.begin() + 1, shape_.end(), shape.begin());
      std::copy(stride_.begin() + 1, stride_.end(), stride.begin());
      return View<T, Rank - 1>(data_ + i * stride_[0], shape, stride);
    }
  }

  /// Indices first ... first + n - 1 of the first dimension.
  View row_range(Index first, Index n) const {
    assert(0 <= first && 0 <= n && first + n <= shape_[0]);
    View v = *this;
    v.data_ += first * stride_[0];
    v.shape_[0] = n;
    return v;
  }

  /// Indices first ... first + n - 1 of the last dimension.
  View columns(Index first, Index n) const {
    assert(0 <= first && 0 <= n && first + n <= shape_[Rank - 1]);
    View v = *this;
    v.data_ += first;
    v.shape_[Rank - 1] = n;
    return v;
  }

  /// True when the elements lie one after the other in memory.
  bool contiguous() const {
    Index stride = 1;
    for (std::size_t d = Rank; d-- > 0;) {
      if (shape_[d] > 1 && stride_[d] != stride) return false;
      stride *= shape_[d];
    }
    return true;
  }

 private:
  T* data_ = nullptr;
  Shape<Rank> shape_{};
  Shape<Rank> stride_{};
};

template <class T, int Rank = 2>
using ConstView = View<const T, Rank>;

namespace detail {

/// 64 bytes: a cache line, and the widest vector register.
inline constexpr std::size_t alignment = 64;

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(alignment))); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(alignment)); }
  friend bool operator==(const AlignedAllocator&, const AlignedAllocator&) { return true; }
};

}  // namespace detail

/// Owns a contiguous row-major array, 64-byte aligned, zero when made.
template <class T, int Rank>
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(const Shape<Rank>& shape) : shape_(shape), data_(static_cast<std::size_t>(count(shape))) {}
  template <std::size_t n>
  requires detail::OtherRank<n, Rank>
  explicit Tensor(const Index (&shape)[n]) = delete;
  Tensor(const Tensor&) = default;
  Tensor& operator=(const Tensor&) = default;
  // A tensor that was moved from is empty, in its shape too: checks of shapes then refuse it.
  Tensor(Tensor&& other) noexcept : shape_(std::exchange(other.shape_, {})), data_(std::exchange(other.data_, {})) {}
  Tensor& operator=(Tensor&& other) noexcept {
    shape_ = std::exchange(other.shape_, {});
    data_ = std::exchange(other.data_, {});
    return *this;
  }

  // A temporary may be read, as an argument of the call that it lives in, but nobody would see what is written to it.
  operator View<T, Rank>() & { return {data_.data(), shape_}; }
  operator View<const T, Rank>() const { return {data_.data(), shape_}; }
  View<T, Rank> view() & { return *this; }
  View<const T, Rank> view() const& { return *this; }
  void view() const&& = delete;  // the view would outlive the tensor

  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  T* begin() { return data(); }
  T* end() { return data() + size(); }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size(); }
  const Shape<Rank>& shape() const { return shape_; }
  Index extent(int dimension) const { return shape_[static_cast<std::size_t>(dimension)]; }
  Index size() const { return static_cast<Index>(data_.size()); }
  bool empty() const { return data_.empty(); }

  decltype(auto) operator[](Index i) { return view()[i]; }
  decltype(auto) operator[](Index i) const { return view()[i]; }

 private:
  Shape<Rank> shape_{};
  std::vector<T, detail::AlignedAllocator<T>> data_;
};

/// Copies elements; both views have the same shape.
template <class T, int Rank>
void copy(const std::type_identity_t<View<const T, Rank>>& from, const View<T, Rank>& to) {
  assert(from.shape() == to.shape());
  if constexpr (Rank == 1) {
    std::copy_n(from.data(), from.size(), to.data());
  } else {
    for (Index i = 0; i < to.rows(); ++i) copy<T, Rank - 1>(from[i], to[i]);
  }
}

template <class T, int Rank>
void fill(const View<T, Rank>& to, std::type_identity_t<T> value) {
  if constexpr (Rank == 1) {
    std::fill_n(to.data(), to.size(), value);
  } else {
    for (Index i = 0; i < to.rows(); ++i) fill<T, Rank - 1>(to[i], value);
  }
}

/// "[2, 16, 64]", for messages.
inline std::string to_string(std::span<const Index> shape) {
  std::string text = "[";
  for (std::size_t d = 0; d < shape.size(); ++d) text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + "]";
}

namespace detail {

/// A shape for a message. It becomes text only where the message is written: checks that hold allocate nothing.
struct ShapeText {
  std::span<const Index> shape;

  friend std::ostream& operator<<(std::ostream& out, const ShapeText& text) { return out << to_string(text.shape); }
};

inline ShapeText text(std::span<const Index> shape) { return {shape}; }

}  // namespace detail

}  // namespace ttt
