// SPDX-License-Identifier: MIT
// Dense layers y = x W^T: their weights, packed once for the products, and the products, cut among threads.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <initializer_list>
#include <memory>

#include "ttt/base/parallel.hpp"
#include "ttt/ops/ops.hpp"

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

  Panels<T> panels() const { return {memory_.data(), shape_[0], shape_[1], format_}; }
  /// Outputs first ... first + n - 1; `first` is a multiple of panel_outputs.
  Panels<T> panels(Index first, Index n) const;
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

/// All numbers of a parameter, in the order of memory.
template <class T, int Rank>
View<T, 1> values(Tensor<T, Rank>& t) {
  return {t.data(), {t.size()}};
}
template <class T, int Rank>
View<const T, 1> values(const Tensor<T, Rank>& t) {
  return {t.data(), {t.size()}};
}
template <class T>
View<T, 1> values(Dense<T>& t) {
  return t.values();
}
template <class T>
View<const T, 1> values(const Dense<T>& t) {
  return t.values();
}

template <class T, int Rank>
WeightFormat format_of(const Tensor<T, Rank>&) {
  return WeightFormat::full;
}
template <class T>
WeightFormat format_of(const Dense<T>& W) {
  return W.format();
}

/// Stores the dense weights of a struct with `visit`, the parameters of a layer or of a model, in another format.
template <class Params>
void convert(Params& params, WeightFormat format) {
  Params::visit(
      [&]<class Parameter>(const auto&, Parameter& t) {
        if constexpr (requires { t.format(); }) t = Parameter(t.tensor(), format);
      },
      params);
}

/// One of several products of the same rows.
template <class T>
struct Projection {
  const Dense<T>& W;
  View<T> y;  // [rows, out]
};

/// y = x W^T for every projection, all of them in one parallel loop. x: [rows, in]
template <class T>
void project(View<const T> x, std::initializer_list<Projection<T>> projections) {
  // About 256 rows at a time, in whole tiles of 6 and in equal parts; few rows leave tasks for all threads.
  const Index rows = x.rows(), parts = (rows + 255) / 256;
  const Index row_piece = parts > 1 ? ((rows + parts - 1) / parts + 5) / 6 * 6 : std::max<Index>(rows, 1);
  const Index out_piece = (parts > 1 ? 4 : 1) * Dense<T>::panel_outputs;
  const Index row_tasks = (rows + row_piece - 1) / row_piece;
  const auto out_tasks = [&](const Dense<T>& W) { return (W.extent(0) + out_piece - 1) / out_piece; };
  Index tasks = 0;
  double operations = 0;
  for (const auto& [W, y] : projections) {
    assert(x.cols() == W.extent(1) && y.cols() == W.extent(0) && rows == y.rows());
    tasks += row_tasks * out_tasks(W);
    operations += 2.0 * static_cast<double>(rows) * static_cast<double>(W.size());
  }
  parallel_for(tasks, workers(tasks, operations), [&](Index task, Index) {
    const Projection<T>* one = projections.begin();
    for (; task >= row_tasks * out_tasks(one->W); ++one) task -= row_tasks * out_tasks(one->W);
    const auto& [W, y] = *one;
    const Index r = task / out_tasks(W) * row_piece, o = task % out_tasks(W) * out_piece;
    const Index n = std::min(row_piece, rows - r), m = std::min(out_piece, W.extent(0) - o);
    const View<const T> from = x.rows(r, n);
    const View<T> to = y.rows(r, n).columns(o, m);
    kernels<T>().project({from.data(), n, from.cols(), from.stride(0)}, W.panels(o, m),
                         {to.data(), n, m, to.stride(0)});
  });
}

/// y = x W^T. x: [rows, in], y: [rows, out]
template <class T>
void project(std::type_identity_t<View<const T>> x, const Dense<T>& W, View<T> y) {
  project<T>(x, {{W, y}});
}

/// Adjoint of `project`: dx += dy W, dW += dy^T x. W and dW are of full format.
template <class T>
void project_vjp(std::type_identity_t<View<const T>> x, const Dense<T>& W, std::type_identity_t<View<const T>> dy,
                 View<T> dx, Dense<T>& dW) {
  constexpr Index row_piece = 512, piece = 4 * Dense<T>::panel_outputs;
  const Index inputs = W.extent(1), outputs = W.extent(0);
  const double operations = 2.0 * static_cast<double>(x.rows()) * static_cast<double>(W.size());
  // Equal parts of at most 192 inputs, which is what a kernel packs at once.
  const Index parts = std::max<Index>((inputs + 191) / 192, 1), in_piece = (inputs + parts - 1) / parts;
  const Index out_tasks = (outputs + piece - 1) / piece;
  parallel_for(out_tasks * parts, workers(out_tasks * parts, operations), [&](Index task, Index) {
    const Index o = task / parts * piece, i = task % parts * in_piece;
    const Index n = std::min(in_piece, inputs - i), m = std::min(piece, outputs - o);
    kernels<T>().add_weight_vjp({x.data() + i, x.rows(), n, x.stride(0)}, {dy.data() + o, dy.rows(), m, dy.stride(0)},
                                i, inputs, dW.panel(o));
  });
  const Index row_tasks = (x.rows() + row_piece - 1) / row_piece, in_tasks = (inputs + piece - 1) / piece;
  parallel_for(row_tasks * in_tasks, workers(row_tasks * in_tasks, operations), [&](Index task, Index) {
    const Index r = task / in_tasks * row_piece, i = task % in_tasks * piece;
    const Index n = std::min(row_piece, x.rows() - r), m = std::min(piece, inputs - i);
    const View<const T> from = dy.rows(r, n);
    const View<T> to = dx.rows(r, n).columns(i, m);
    kernels<T>().add_project_vjp({from.data(), n, from.cols(), from.stride(0)}, W.panels(), i,
                                 {to.data(), n, m, to.stride(0)});
  });
}

}  // namespace ttt
