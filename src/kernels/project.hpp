// SPDX-License-Identifier: MIT
// Products with the weights of a dense layer, and with their transpose. A block of a panel is used by all rows while it
// lies in the first-level cache.
#pragma once

#include "kernels/matmul.hpp"
#include "kernels/panels.hpp"
#include "kernels/rows.hpp"
#include "kernels/tile.hpp"

namespace ttt::ops {
namespace {

/// A part of the right factor: one row for each step of the sum.
template <class T>
struct Block {
  const T* data;
  Size stride;
};

/// Prefetches into the cache of this level the lines of `bytes` bytes that begin `ahead` bytes after p. The address is
/// a number, as it may lie beyond the array; a prefetch never faults. Inlined always, as GCC takes a function that only
/// prefetches for one without effect, and drops its calls.
template <int level>
[[gnu::always_inline]] inline void prefetch(const void* p, Size ahead, Size bytes) {
  constexpr Size line = 64;
#pragma GCC unroll 8
  for (Size i = 0; i < bytes; i += line) {
    const auto address = reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(ahead + i);
    __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 4 - level);
  }
}

/// How far ahead weights are fetched that are used as they come. The machine looks ahead too, but not across pages.
constexpr Size stream_ahead = 8192;

/// At the first row of `stride` bytes that begins in a page, fetches a line some pages ahead, so that the address of
/// that page is known when its rows are read. Looking it up takes as long as a read from memory, and the machine begins
/// it only on demand.
[[gnu::always_inline]] inline void prefetch_tlb(const void* row, Size stride) {
  constexpr Size page = 4096, ahead = 8 * page;
  if (reinterpret_cast<std::uintptr_t>(row) % page < static_cast<std::uintptr_t>(stride)) prefetch<2>(row, ahead, 1);
}

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
      prefetch_tlb(from, columns * Size{sizeof(T)});
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
        prefetch_tlb(from, 2 * columns);
        prefetch<1>(from, stream_ahead, 2 * N * V::size);
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
      prefetch<1>(factors, stream_ahead, 2 * N * V::size);
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) factor[v] = V::load_bf16(factors + v * V::size);
      for (Size i = 0; i < n; ++i, from += columns) {
        prefetch_tlb(from, columns);
        prefetch<1>(from, stream_ahead, N * V::size);
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
  const Panels<T>& W;

  /// Steps p ... p + k - 1 of N vectors of columns from j on, in `buffer` where they are not stored as T.
  template <int N>
  Block<T> block(Size j, Size, Size p, Size k, T* buffer) const {
    if (sizeof(T) == sizeof(double) || W.format == WeightFormat::full) {  // doubles have no other format
      const PanelLayout<T> layout(W);
      return {at(j, p), layout.columns(j / layout.width * layout.width)};
    }
    constexpr Size stride = N * Vec<T>::size;
    each_input<N>(W, j, p, k, [&](Size i, const Vec<T>(&weights)[N]) {
#pragma GCC unroll 8
      for (int v = 0; v < N; ++v) weights[v].store(buffer + i * stride + v * Vec<T>::size, Whole{});
    });
    return {buffer, stride};
  }

  /// Where the block of step p and column j begins; null if blocks do not lie in memory in one piece, or there is none.
  const T* next(Size j, Size p) const {
    constexpr bool whole_panels = Vec<T>::block_vectors * Vec<T>::size == PanelLayout<T>::width;
    return whole_panels && W.format == WeightFormat::full && j < W.outputs ? at(j, p) : nullptr;
  }

 private:
  const T* at(Size j, Size p) const {
    const PanelLayout<T> layout(W);
    const Size first = j / layout.width * layout.width;
    const char* panel = static_cast<const char*>(W.data) + layout.offset(first);
    return reinterpret_cast<const T*>(panel) + p * layout.columns(first) + j - first;
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

/// The right factor dy is multiplied with: step p of the sum is output p, column j is input first + j.
template <class T>
struct TransposedBlocks {
  const Panels<T>& W;
  Size first;

  const T* next(Size, Size) const { return nullptr; }

  template <int N>
  Block<T> block(Size j, Size width, Size p, Size k, T* buffer) const {
    constexpr Size stride = N * Vec<T>::size;
    const PanelLayout<T> layout(W);
    for (Size begin = p, n; begin < p + k; begin += n) {
      const Size panel = begin / layout.width * layout.width, columns = layout.columns(panel);
      n = min(p + k, panel + layout.width) - begin;
      const T* from = reinterpret_cast<const T*>(static_cast<const char*>(W.data) + layout.offset(panel)) +
                      (first + j) * columns + begin - panel;
      pack_transposed<T, N>({from, width, n, columns}, buffer + (begin - p) * stride);
    }
    return {buffer, stride};
  }
};

/// With every tile, what comes later is brought into the second-level cache: the rows of A after the tile's, and a
/// share of the block of B after this one.
template <class T>
struct Fetching {
  const T* A;                // the first column that this block multiplies
  Size A_stride, row_bytes;  // the latter 0 if those columns are in the cache
  const T* block;            // null: nothing
  Size block_bytes;          // for each row of A

  template <int R, int N, class Part>
  [[gnu::always_inline]] void apply(Tile<T, R, N>&, Size i, Size, Part) const {
    for (Size r = i + R; r < i + 2 * R; ++r) prefetch<2>(A, r * A_stride * Size{sizeof(T)}, row_bytes);
    if (block) prefetch<2>(block, i * block_bytes, R * block_bytes);
  }
};

/// C = A B, or C += A B, for steps `begin` to `end` of the sum.
template <class T, class Blocks>
void block_product(const Rows<const T>& A, const Blocks& B, Size begin, Size end, bool accumulate_to,
                   const Rows<T>& C) {
  using V = Vec<T>;
  constexpr Size width = V::block_vectors * V::size;
  constexpr Size depth = 32768 / (width * Size{sizeof(T)});  // so that a block stays in the first-level cache
  static constexpr T zeros[width] = {};
  alignas(64) T buffer[depth * width];
  if (C.rows == 0) return;
  each_panel<T, V::block_vectors>(C.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    Size p = begin;
    do {
      const Size k = min(depth, end - p);
      const bool resume = accumulate_to || p > 0;
      const Block<T> block = B.template block<N>(j, min(N * V::size, C.cols - j), p, k, buffer);
      const bool panel_ends = p + k == end;
      const Fetching<T> fetching = {A.data + p, A.stride, j == 0 ? k * Size{sizeof(T)} : 0,
                                    B.next(panel_ends ? j + N * V::size : j, panel_ends ? begin : p + k),
                                    depth * width * Size{sizeof(T)} / A.rows};
      each_stretch<V::tile_rows(N)>(C.rows, [&](Size i, Size rows, auto tile_rows) {
        T* c = row(C, i) + j;
        product_tiles<T, decltype(tile_rows)::value, N>(Strided<T>{row(A, i) + p, A.stride, 1}, block.data,
                                                        block.stride, k, resume ? c : zeros, resume ? C.stride : 0,
                                                        Rows<T>{c, rows, 0, C.stride}, last, fetching, i, j);
      });
      p += k;
    } while (p < end);
  });
}

/// C = A B, or C += A B, for a right factor that gives itself in blocks. Of A, some columns at a time stay in the
/// second-level cache while all columns of C are gone through.
template <class T, class Blocks>
void block_product(const Rows<const T>& A, const Blocks& B, bool accumulate_to, const Rows<T>& C) {
  constexpr Size slice = 1024 / sizeof(T);
  Size p = 0;
  do {
    block_product(A, B, p, min(p + slice, A.cols), accumulate_to, C);
    p += slice;
  } while (p < A.cols);
}

template <class T>
void project(const Rows<const T>& x, const Panels<T>& W, const Rows<T>& y) {
  if (x.rows == 1) return project_row(x.data, W, y.data);
  block_product(x, PanelBlocks<T>{W}, false, y);
}

template <class T>
void add_project_vjp(const Rows<const T>& dy, const Panels<T>& W, Size first, const Rows<T>& dx) {
  block_product(dy, TransposedBlocks<T>{W, first}, true, dx);
}

/// dW += dy^T x for one block of inputs. The packed piece of x stays in the second-level cache while all panels use it.
template <class T>
void add_weight_vjp(const Rows<const T>& x, const Rows<const T>& dy, const PanelLayout<T>& layout, Size first, T* dW,
                    T* x_room) {
  using V = Vec<T>;
  alignas(64) T dy_room[piece_rows * V::block_vectors * V::size];
  for (Size p = 0; p < x.rows; p += piece_rows) {
    const Size rows = min(piece_rows, x.rows - p);
    copy(some_rows(x, p, rows), Rows<T>{x_room, rows, x.cols, x.cols});
    for (Size o = 0; o < dy.cols; o += layout.width) {
      const Size columns = layout.columns(o);
      T* panel = dW + layout.offset(o) / Size{sizeof(T)} + first * columns;
      each_panel<T, V::block_vectors>(min(layout.width, dy.cols - o), [&](Size j, auto vectors, auto last) {
        constexpr int N = decltype(vectors)::value;
        pack_panel<T, N>(row(dy, p) + o + j, dy.stride, rows, last, dy_room);
        each_stretch<V::tile_rows(N)>(x.cols, [&](Size i, Size count, auto tile_rows) {
          outer_tiles<T, decltype(tile_rows)::value, N>(T(1), Strided<T>{x_room + i, 1, x.cols}, dy_room, N * V::size,
                                                        rows, Rows<T>{panel + i * columns + j, count, 0, columns},
                                                        last);
        });
      });
    }
  }
}

template <class T>
void add_weight_vjp(const Rows<const T>& x, const Rows<const T>& dy, Size first, Size inputs, T* dW) {
  constexpr Size block = 32 * Vec<T>::tile_rows(Vec<T>::block_vectors);
  alignas(64) T x_room[piece_rows * block];
  const PanelLayout<T> layout(Panels<T>{dW, dy.cols, inputs, WeightFormat::full});
  for (Size i = 0; i < x.cols; i += block) {
    add_weight_vjp<T>({x.data + i, x.rows, min(block, x.cols - i), x.stride}, dy, layout, first + i, dW, x_room);
  }
}

}  // namespace
}  // namespace ttt::ops
