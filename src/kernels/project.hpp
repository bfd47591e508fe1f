// SPDX-License-Identifier: MIT
// Products with the weights of a dense layer, and with their transpose. A block of a panel is used by all rows while it
// lies in the first-level cache.
#pragma once

#include "kernels/common.hpp"
#include "kernels/panels.hpp"
#include "kernels/tile.hpp"

namespace ttt {
namespace {

/// A part of the right factor: one row for each step of the sum.
template <class T>
struct Block {
  const T* data;
  Size stride;
};

/// The weights of N vectors of outputs from `first` on, input by input: step(i, weights) for inputs p + i, i < k, where
/// p is a multiple of q8_inputs.
template <int N, class T, class F>
[[gnu::always_inline]] inline void each_input(const Panels<T>& W, Size first, Size p, Size k, F step) {
  using V = Vec<T>;
  const PanelLayout<T> layout(W);
  const Size begin = first / layout.width * layout.width, columns = layout.columns(begin), column = first - begin;
  const char* panel = static_cast<const char*>(W.data) + layout.offset(begin);
  V weights[N];
  if (W.format == WeightFormat::full) {
    const T* from = reinterpret_cast<const T*>(panel) + p * columns + column;
    for (Size i = 0; i < k; ++i, from += columns) {
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) weights[v] = V::load(from + v * V::size, Whole{});
      step(i, weights);
    }
    return;
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    if (W.format == WeightFormat::bf16) {
      const auto* from = reinterpret_cast<const std::uint16_t*>(panel) + p * columns + column;
      for (Size i = 0; i < k; ++i, from += columns) {
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) weights[v] = V::load_bf16(from + v * V::size);
        step(i, weights);
      }
      return;
    }
    for (Size start = 0; start < k; start += q8_inputs) {
      const Size n = min(q8_inputs, layout.inputs - p - start);
      const char* block = panel + layout.bytes(columns, p + start);
      const auto* from = reinterpret_cast<const std::int8_t*>(block) + column;
      const auto* factors = reinterpret_cast<const std::uint16_t*>(block + n * columns) + column;
      V factor[N];
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) factor[v] = V::load_bf16(factors + v * V::size);
      for (Size i = 0; i < n; ++i, from += columns) {
#pragma GCC unroll 8
        for (int v = 0; v < N; ++v) weights[v] = factor[v] * V::load_int8(from + v * V::size);
        step(start + i, weights);
      }
    }
  }
}

/// The right factor x is multiplied with: step p of the sum is input p, column j is output j.
template <class T>
struct PanelBlocks {
  Panels<T> W;

  /// Steps p ... p + k - 1 of N vectors of columns from j on, in `room` where they are not stored as T.
  template <int N>
  Block<T> block(Size j, Size, Size p, Size k, T* room) const {
    const PanelLayout<T> layout(W);
    const Size first = j / layout.width * layout.width, columns = layout.columns(first);
    if (W.format == WeightFormat::full) {
      const char* panel = static_cast<const char*>(W.data) + layout.offset(first);
      return {reinterpret_cast<const T*>(panel) + p * columns + j - first, columns};
    }
    constexpr Size stride = N * Vec<T>::size;
    each_input<N>(W, j, p, k, [&](Size i, const Vec<T>(&weights)[N]) {
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) weights[v].store(room + i * stride + v * Vec<T>::size, Whole{});
    });
    return {room, stride};
  }
};

/// y = x W^T for one row: weights go from memory into the sum.
template <class T>
void project_row(const T* x, const Panels<T>& W, T* y) {
  using V = Vec<T>;
  each_group<4>((W.outputs + V::size - 1) / V::size, [&](Size vector, auto vectors) {
    constexpr int N = decltype(vectors)::value;
    const Size j = vector * V::size;
    V sum[N];
#pragma GCC unroll 8
    for (int v = 0; v < N; ++v) sum[v] = V::zero();
    each_input<N>(W, j, 0, W.inputs, [&](Size i, const V(&weights)[N]) {
      const V a = V::broadcast(x[i]);
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) sum[v] = V::fma(a, weights[v], sum[v]);
    });
    for (int v = 0; v < N; ++v) {
      const Size left = W.outputs - j - v * V::size;
      left >= V::size ? sum[v].store(y + j + v * V::size, Whole{}) : sum[v].store(y + j + v * V::size, First{left});
    }
  });
}

template <class T>
struct FourOf;
template <>
struct FourOf<float> {
  using Type __attribute__((vector_size(16))) = float;
};
template <>
struct FourOf<double> {
  using Type __attribute__((vector_size(32))) = double;
};

/// to[c * to_stride + r] = from[r * from_stride + c] for r, c < 4
template <class T>
[[gnu::always_inline]] inline void transpose_4x4(const T* from, Size from_stride, T* to, Size to_stride) {
  typename FourOf<T>::Type a, b, c, d;
  __builtin_memcpy(&a, from, sizeof a);
  __builtin_memcpy(&b, from + from_stride, sizeof b);
  __builtin_memcpy(&c, from + 2 * from_stride, sizeof c);
  __builtin_memcpy(&d, from + 3 * from_stride, sizeof d);
  const auto ac_lo = __builtin_shufflevector(a, c, 0, 4, 1, 5), ac_hi = __builtin_shufflevector(a, c, 2, 6, 3, 7);
  const auto bd_lo = __builtin_shufflevector(b, d, 0, 4, 1, 5), bd_hi = __builtin_shufflevector(b, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ac_lo, bd_lo, 0, 4, 1, 5);
  b = __builtin_shufflevector(ac_lo, bd_lo, 2, 6, 3, 7);
  c = __builtin_shufflevector(ac_hi, bd_hi, 0, 4, 1, 5);
  d = __builtin_shufflevector(ac_hi, bd_hi, 2, 6, 3, 7);
  __builtin_memcpy(to, &a, sizeof a);
  __builtin_memcpy(to + to_stride, &b, sizeof b);
  __builtin_memcpy(to + 2 * to_stride, &c, sizeof c);
  __builtin_memcpy(to + 3 * to_stride, &d, sizeof d);
}

/// The right factor dy is multiplied with: step p of the sum is output p, column j is input first + j.
template <class T>
struct TransposedBlocks {
  Panels<T> W;
  Size first;

  template <int N>
  Block<T> block(Size j, Size width, Size p, Size k, T* room) const {
    const PanelLayout<T> layout(W);
    for (Size begin = p, n; begin < p + k; begin += n) {
      const Size panel = begin / layout.width * layout.width, columns = layout.columns(panel);
      n = min(p + k, panel + layout.width) - begin;
      const T* from = reinterpret_cast<const T*>(static_cast<const char*>(W.data) + layout.offset(panel)) +
                      (first + j) * columns + begin - panel;
      T* to = room + (begin - p) * width;
      for (Size i = 0; i < width; i += 4) {
        Size o = 0;
        if (i + 4 <= width) {
          for (; o + 4 <= n; o += 4) transpose_4x4(from + i * columns + o, columns, to + o * width + i, width);
        }
        for (; o < n; ++o) {
          for (Size c = i; c < min(i + 4, width); ++c) to[o * width + c] = from[c * columns + o];
        }
      }
    }
    return {room, width};
  }
};

/// C = A B, or C += A B, for steps `begin` to `end` of the sum.
template <class T, class Blocks>
void block_product(Rows<const T> A, const Blocks& B, Size begin, Size end, bool accumulate_to, Rows<T> C) {
  using V = Vec<T>;
  constexpr Size width = V::tile_vectors * V::size;
  constexpr Size depth = 32768 / (width * Size{sizeof(T)});  // so that a block stays in the first-level cache
  alignas(64) T room[depth * width];
  each_panel<T>(C.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    Size p = begin;
    do {
      const Size k = min(depth, end - p);
      const bool resume = accumulate_to || p > 0;
      const Block<T> block = B.template block<N>(j, min(N * V::size, C.cols - j), p, k, room);
      each_group<V::block_rows>(C.rows, [&](Size i, auto rows) {
        constexpr int R = decltype(rows)::value;
        T* c = row(C, i) + j;
        Tile<T, R, N> tile;
        each_in_tile<T, R, N>([&](int r, int v) {
          tile.at[r][v] = resume ? load_vector<T, N>(static_cast<const T*>(c) + r * C.stride, v, last) : V::zero();
        });
        accumulate(tile, Strided<T>{row(A, i) + p, A.stride, 1}, block.data, block.stride, k, last);
        each_in_tile<T, R, N>([&](int r, int v) { store_vector<T, N>(c + r * C.stride, v, tile.at[r][v], last); });
      });
      p += k;
    } while (p < end);
  });
}

/// C = A B, or C += A B, for a right factor that gives itself in blocks. Of A, some columns at a time stay in the
/// second-level cache while all columns of C are gone through.
template <class T, class Blocks>
void block_product(Rows<const T> A, const Blocks& B, bool accumulate_to, Rows<T> C) {
  constexpr Size slice = 1024 / sizeof(T);
  Size p = 0;
  do {
    block_product(A, B, p, min(p + slice, A.cols), accumulate_to, C);
    p += slice;
  } while (p < A.cols);
}

template <class T>
void project(Rows<const T> x, Panels<T> W, Rows<T> y) {
  if (x.rows == 1) return project_row(x.data, W, y.data);
  block_product(x, PanelBlocks<T>{W}, false, y);
}

template <class T>
void add_project_vjp(Rows<const T> dy, Panels<T> W, Size first, Rows<T> dx) {
  block_product(dy, TransposedBlocks<T>{W, first}, true, dx);
}

}  // namespace
}  // namespace ttt
