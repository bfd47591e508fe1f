// SPDX-License-Identifier: MIT
// The products: matmul, matmul_transposed and add_outer.
#pragma once

#include "kernels/common.hpp"
#include "kernels/tile.hpp"

namespace ttt {
namespace {

/// Rows of A from which packing a panel of B pays.
constexpr Size packing_rows = 32;

template <class T>
void matmul(Rows<const T> A, Rows<const T> B, const T* bias, bool accumulate_to, Rows<T> C) {
  using V = Vec<T>;
  constexpr Size width = V::tile_vectors * V::size;
  constexpr Size depth = 32768 / (width * Size{sizeof(T)});  // so that a panel stays in the first-level cache
  alignas(64) T packed[depth * width];
  each_panel<T>(C.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    Size p = 0;
    do {
      const Size k = min(depth, A.cols - p);
      const bool resume = accumulate_to || p > 0;
      const T* panel = B.data + p * B.stride + j;
      Size panel_stride = B.stride;
      if (C.rows >= packing_rows && B.stride > width) {
        pack_panel<T, N>(panel, B.stride, k, last, packed);
        panel = packed;
        panel_stride = N * V::size;
      }
      each_group<V::tile_rows>(C.rows, [&](Size i, auto rows) {
        constexpr int R = decltype(rows)::value;
        T* c = row(C, i) + j;
        Tile<T, R, N> tile;
        each_in_tile<T, R, N>([&](int r, int v) {
          tile.at[r][v] = resume ? load_vector<T, N>(static_cast<const T*>(c) + r * C.stride, v, last)
                          : bias ? load_vector<T, N>(bias + j, v, last)
                                 : V::zero();
        });
        accumulate(tile, Strided<T>{row(A, i) + p, A.stride, 1}, panel, panel_stride, k, last);
        each_in_tile<T, R, N>([&](int r, int v) { store_vector<T, N>(c + r * C.stride, v, tile.at[r][v], last); });
      });
      p += k;
    } while (p < A.cols);
  });
}

/// C_ij (+)= A_i . B_j for one tile of rows of A and rows of B, one part of the vectors after the other. Lengths that
/// are whole vectors get code without the rest of a row: with it, GCC keeps the tile in memory.
template <class T, int M, int N, bool ragged>
void dot_tile(Rows<const T> A, Size i, Rows<const T> B, Size j, bool accumulate_to, Rows<T> C) {
  using V = Vec<T>;
  using Part = typename V::Part;
  const T* a = row(A, i);
  const T* b = row(B, j);
  const Size whole = A.cols / V::size * V::size;
  V tile[M * N];
  const auto multiply_part = [&](auto part) {
    constexpr int h = decltype(part)::value;
    Part sum[M * N];
#pragma GCC unroll 16
    for (int t = 0; t < M * N; ++t) sum[t] = Part::zero();
    const auto step = [&](Size p, auto lanes) {
      Part x[M];
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) x[m] = V::template load_part<h>(a + m * A.stride + p, lanes);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) {
        const Part y = V::template load_part<h>(b + n * B.stride + p, lanes);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m) sum[m * N + n] = Part::fma(x[m], y, sum[m * N + n]);
      }
    };
    for (Size p = 0; p < whole; p += V::size) step(p, Whole{});
    if constexpr (ragged) step(whole, First{A.cols - whole});
#pragma GCC unroll 16
    for (int t = 0; t < M * N; ++t) tile[t].template set_part<h>(sum[t]);
  };
  multiply_part(Constant<0>{});
  if constexpr (V::parts == 2) multiply_part(Constant<1>{});
  T sums[M * N];
  sum_each(tile, sums);
  for (int m = 0; m < M; ++m) {
    T* c = row(C, i + m) + j;
    for (int n = 0; n < N; ++n) c[n] = accumulate_to ? c[n] + sums[m * N + n] : sums[m * N + n];
  }
}

template <class T, bool ragged>
void dot_tiles(Rows<const T> A, Rows<const T> B, bool accumulate_to, Rows<T> C) {
  using V = Vec<T>;
  // A few rows of A stay in the first-level cache, more rows of B in the second, while all pairs of them meet.
  const Size row_bytes = (A.cols + 1) * Size{sizeof(T)};
  const Size A_block = (24576 / row_bytes / V::dot_rows + 1) * V::dot_rows;
  const Size B_block = (393216 / row_bytes / V::dot_cols + 1) * V::dot_cols;
  for (Size j0 = 0; j0 < B.rows; j0 += B_block) {
    for (Size i0 = 0; i0 < A.rows; i0 += A_block) {
      each_group<V::dot_cols>(min(B_block, B.rows - j0), [&](Size j, auto cols) {
        each_group<V::dot_rows>(min(A_block, A.rows - i0), [&](Size i, auto rows) {
          dot_tile<T, decltype(rows)::value, decltype(cols)::value, ragged>(A, i0 + i, B, j0 + j, accumulate_to, C);
        });
      });
    }
  }
}

template <class T>
void matmul_transposed(Rows<const T> A, Rows<const T> B, bool accumulate_to, Rows<T> C) {
  if (A.cols % Vec<T>::size == 0) return dot_tiles<T, false>(A, B, accumulate_to, C);
  dot_tiles<T, true>(A, B, accumulate_to, C);
}

/// Rows of A and B whose products are summed one after the other; longer sums are trees of such pieces.
constexpr Size piece_rows = 64;

/// C += alpha sum, for the tile of C that begins at c.
template <class T, int R, int N, class Part>
[[gnu::always_inline]] inline void add_tile(T alpha, const Tile<T, R, N>& sum, T* c, Size c_stride, Part last) {
  each_in_tile<T, R, N>([&](int r, int v) {
    const Vec<T> before = load_vector<T, N>(static_cast<const T*>(c) + r * c_stride, v, last);
    store_vector<T, N>(c + r * c_stride, v, Vec<T>::fma(Vec<T>::broadcast(alpha), sum.at[r][v], before), last);
  });
}

/// One tile of C += alpha A^T B, for one piece.
template <class T, int R, int N, class Part>
[[gnu::noinline]] void outer_tile(T alpha, Strided<T> A, const T* B, Size B_stride, Size rows, T* c, Size c_stride,
                                  Part last) {
  Tile<T, R, N> sum;
  each_in_tile<T, R, N>([&](int r, int v) { sum.at[r][v] = Vec<T>::zero(); });
  accumulate(sum, A, B, B_stride, rows, last);
  add_tile(alpha, sum, c, c_stride, last);
}

/// One tile of A^T B, for one piece. A function of its own, because next to the tree GCC keeps parts of it in memory.
template <class T, int R, int N, class Part>
[[gnu::noinline]] void outer_piece(Strided<T> A, const T* B, Size B_stride, Size rows, Part last, Tile<T, R, N>& out) {
  Tile<T, R, N> sum;
  each_in_tile<T, R, N>([&](int r, int v) { sum.at[r][v] = Vec<T>::zero(); });
  accumulate(sum, A, B, B_stride, rows, last);
  out = sum;
}

/// C += alpha A^T B for several pieces: columns j ... of `tiles` tiles of R rows that begin at row i.
template <class T, int R, int N, class Part>
void outer_tiles(T alpha, Rows<const T> A, Rows<const T> B, Rows<T> C, Size i, Size tiles, Size j, Part last) {
  using V = Vec<T>;
  // Tiles that use a packed piece of A and B together share the room for the open levels of their trees.
  constexpr Size max_group = 8, max_levels = 40;  // 64 2^40 rows are more than memory can hold
  constexpr Size B_width = N * V::size;
  const Size pieces = (A.rows + piece_rows - 1) / piece_rows;
  Size group = max_group;
  while (group > 1 && pieces >= Size{1} << (max_levels / group)) group /= 2;
  Tile<T, R, N> levels[max_levels];
  alignas(64) T packed_A[piece_rows * max_group * R];
  alignas(64) T packed_B[piece_rows * B_width];
  for (Size g = 0; g < tiles; g += group) {
    const Size members = min(group, tiles - g), A_width = members * R;
    for (Size n = 0; n < pieces; ++n) {
      const Size first = n * piece_rows, rows = min(piece_rows, A.rows - first);
      Strided<T> a = {row(A, first) + i + g * R, 1, A.stride};
      const T* b = row(B, first) + j;
      Size B_stride = B.stride;
      if (members > 1) {
        for (Size p = 0; p < rows; ++p) {
          each_vector<T>(A_width, [&](Size column, auto part) {
            V::load(a.data + p * a.step + column, part).store(packed_A + p * A_width + column, part);
          });
        }
        pack_panel<T, N>(b, B_stride, rows, last, packed_B);
        a = {packed_A, 1, A_width};
        b = packed_B;
        B_stride = B_width;
      }
      for (Size t = 0; t < members; ++t, a.data += R) {
        Tile<T, R, N> sum;
        outer_piece(a, b, B_stride, rows, last, sum);
        sum = add_piece(sum, n, n + 1 == pieces, levels + t * (max_levels / group));
        if (n + 1 == pieces) add_tile(alpha, sum, row(C, i + (g + t) * R) + j, C.stride, last);
      }
    }
  }
}

template <class T>
void add_outer(T alpha, Rows<const T> A, Rows<const T> B, Rows<T> C) {
  constexpr int max = Vec<T>::tile_rows;
  each_panel<T>(C.cols, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    if (A.rows <= piece_rows) {
      each_group<max>(C.rows, [&](Size i, auto rows) {
        constexpr int R = decltype(rows)::value;
        outer_tile<T, R, N>(alpha, Strided<T>{A.data + i, 1, A.stride}, B.data + j, B.stride, A.rows, row(C, i) + j,
                            C.stride, last);
      });
      return;
    }
    const Size tiles = C.rows / max;
    outer_tiles<T, max, N>(alpha, A, B, C, 0, tiles, j, last);
    each_group<max / 2>(C.rows % max, [&](Size i, auto rows) {
      outer_tiles<T, decltype(rows)::value, N>(alpha, A, B, C, tiles * max + i, 1, j, last);
    });
  });
}

}  // namespace
}  // namespace ttt
