// SPDX-License-Identifier: MIT
// The products: matmul, matmul_transposed and add_outer.
#pragma once

#include <type_traits>

#include "kernels/common.hpp"
#include "kernels/tile.hpp"

namespace ttt::ops {
namespace {

/// Rows of A from which packing a panel of B pays.
constexpr Size packing_rows = 32;

/// What else is done with every tile of a product: nothing.
struct NoEpilogue {
  template <class T, int R, int N, class Part>
  void apply(Tile<T, R, N>&, Size, Size, Part) const {}
};

/// C = start + A B, then epilogue.apply on every tile, for N vectors of columns (C.cols is not used) and as many tiles
/// of R rows as C has; C begins at row i and column j of the whole. A function of its own: among more variables GCC
/// keeps addresses or sums in memory. Structs go by reference, as in Kernels.
template <class T, int R, int N, class Part, class Epilogue>
[[gnu::noinline]] void product_tiles(const Strided<T>& left, const T* B, Size B_stride, Size k, const T* start,
                                     Size start_stride, const Rows<T>& C, Part last, const Epilogue& epilogue, Size i,
                                     Size j) {
  Strided<T> A = left;
  T* c = C.data;
  const Size C_stride = C.stride;
  for (const Size end = i + C.rows; i < end; i += R) {
    Tile<T, R, N> tile;
    each_in_tile<T, R, N>([&](int r, int v) { tile.at[r][v] = load_vector<T, N>(start + r * start_stride, v, last); });
    accumulate(tile, A, B, B_stride, k, last);
    epilogue.apply(tile, i, j, last);
    each_in_tile<T, R, N>([&](int r, int v) { store_vector<T, N>(c + r * C_stride, v, tile.at[r][v], last); });
    A.data += R * A.stride;
    start += R * start_stride;
    c += R * C_stride;
  }
}

/// C (+)= A B + epilogue, or A B^T + epilogue with `transposed`: then panels are packed from rows of B.
template <class T, int vectors, bool transposed, class Epilogue>
void product_panels(const Rows<const T>& A, const Rows<const T>& B, const T* bias, bool accumulate_to,
                    const Epilogue& epilogue, const Rows<T>& C) {
  using V = Vec<T>;
  constexpr Size width = vectors * V::size;
  constexpr Size depth = 32768 / (width * Size{sizeof(T)});  // so that a panel stays in the first-level cache
  static constexpr T zeros[width] = {};
  alignas(64) T packed[depth * width];
  each_panel<T, vectors>(C.cols, [&](Size j, auto panel_vectors, auto last) {
    constexpr int N = decltype(panel_vectors)::value;
    Size p = 0;
    do {
      const Size k = min(depth, A.cols - p);
      const bool resume = accumulate_to || p > 0;
      const T* panel = packed;
      Size panel_stride = N * V::size;
      if constexpr (transposed) {
        pack_transposed<T, N>({row(B, j) + p, min(N * V::size, B.rows - j), k, B.stride}, packed);
      } else if (C.rows >= packing_rows && B.stride > width) {
        pack_panel<T, N>(row(B, p) + j, B.stride, k, last, packed);
      } else {
        panel = row(B, p) + j;
        panel_stride = B.stride;
      }
      each_stretch<V::tile_rows(N)>(C.rows, [&](Size i, Size rows, auto tile_rows) {
        constexpr int R = decltype(tile_rows)::value;
        T* c = row(C, i) + j;
        const T* start = resume ? c : bias ? bias + j : zeros;
        const auto tiles = [&](const auto& rest) {
          product_tiles<T, R, N>(Strided<T>{row(A, i) + p, A.stride, 1}, panel, panel_stride, k, start,
                                 resume ? C.stride : 0, Rows<T>{c, rows, 0, C.stride}, last, rest, i, j);
        };
        p + k < A.cols ? tiles(NoEpilogue()) : tiles(epilogue);
      });
      p += k;
    } while (p < A.cols);
  });
}

/// C (+)= A B + epilogue for one row, in panels as wide as the registers allow: the wider, the more B is read as it
/// lies in memory.
template <class T, class Epilogue>
void row_product(const Rows<const T>& A, const Rows<const T>& B, const T* bias, bool accumulate_to,
                 const Epilogue& epilogue, const Rows<T>& C) {
  using V = Vec<T>;
  static constexpr T zeros[V::row_vectors * V::size] = {};
  each_panel<T, V::row_vectors>(C.cols, [&](Size j, auto vectors, auto last) {
    T* c = C.data + j;
    const T* start = accumulate_to ? c : bias ? bias + j : zeros;
    product_tiles<T, 1, decltype(vectors)::value>(Strided<T>{A.data, A.stride, 1}, B.data + j, B.stride, A.cols, start,
                                                  0, Rows<T>{c, 1, 0, C.stride}, last, epilogue, 0, j);
  });
}

template <class T, bool transposed, class Epilogue>
void product(const Rows<const T>& A, const Rows<const T>& B, const T* bias, bool accumulate_to,
             const Epilogue& epilogue, const Rows<T>& C) {
  constexpr int few = Vec<T>::tile_rows(4);
  if constexpr (!transposed) {
    if (C.rows == 1) return row_product(A, B, bias, accumulate_to, epilogue, C);
  }
  if constexpr (transposed || few > 1) {
    // Few rows need wide tiles for as many sums as the latency of an addition takes.
    if (C.rows <= few) return product_panels<T, 4, transposed>(A, B, bias, accumulate_to, epilogue, C);
  }
  product_panels<T, Vec<T>::tile_vectors, transposed>(A, B, bias, accumulate_to, epilogue, C);
}

template <class T>
void matmul(const Rows<const T>& A, const Rows<const T>& B, const T* bias, bool accumulate_to, const Rows<T>& C) {
  product<T, false>(A, B, bias, accumulate_to, NoEpilogue(), C);
}

/// C = A B^T, or C += A B^T, as (B A^T)^T, for whole vectors of rows of A and of B.
template <class T>
void exchanged_product(const Rows<const T>& A, const Rows<const T>& B, bool accumulate_to, const Rows<T>& C) {
  using V = Vec<T>;
  constexpr Size W = V::size, depth = 16384 / (W * Size{sizeof(T)});  // so that both rooms stay in the first cache
  static constexpr T zeros[W] = {};
  alignas(64) T A_room[depth * W], C_buffer[depth * W];
  for (Size i = 0; i < C.rows; i += W) {
    Size p = 0;
    do {
      const Size k = min(depth, A.cols - p);
      const bool resume = accumulate_to || p > 0;
      pack_transposed<T, 1>({row(A, i) + p, W, k, A.stride}, A_room);
      for (Size j = 0, n; j < C.cols; j += n) {
        n = min(depth, C.cols - j);
        T* c = row(C, i) + j;
        if (resume) pack_transposed<T, 1>({c, W, n, C.stride}, C_buffer);
        each_stretch<V::tile_rows(1)>(n, [&](Size r, Size rows, auto tile_rows) {
          product_tiles<T, decltype(tile_rows)::value, 1>(
              Strided<T>{row(B, j + r) + p, B.stride, 1}, A_room, W, k, resume ? C_buffer + r * W : zeros,
              resume ? W : 0, Rows<T>{C_buffer + r * W, rows, 0, W}, Whole{}, NoEpilogue(), r, 0);
        });
        for (Size r = 0; r < n; r += W) pack_square<T, true>({C_buffer + r * W, W, W, W}, c + r, C.stride);
      }
      p += k;
    } while (p < A.cols);
  }
}

/// A B^T for one row, and whole vectors of columns of B: each square is used as soon as it is transposed.
template <class T>
[[gnu::noinline]] void row_times_transposed(const T* a, const Rows<const T>& B, bool accumulate_to, T* c) {
  using V = Vec<T>;
  constexpr Size W = V::size;
  each_panel<T, V::chains>(B.rows, [&](Size j, auto vectors, auto last) {
    constexpr int N = decltype(vectors)::value;
    V sum[N];
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) sum[v] = accumulate_to ? load_vector<T, N>(c + j, v, last) : V::zero();
    for (Size p = 0; p < B.cols; p += W) {
#pragma GCC unroll 4
      for (int v = 0; v < N; ++v) {
        const Size first = j + v * W;
        V columns[W];
        load_columns<T, std::is_same_v<decltype(last), Whole>>({row(B, first) + p, B.rows - first, W, B.stride},
                                                               columns);
#pragma GCC unroll 16
        for (Size i = 0; i < W; ++i) sum[v] = V::fma(V::broadcast(a[p + i]), columns[i], sum[v]);
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < N; ++v) store_vector<T, N>(c + j, v, sum[v], last);
  });
}

template <class T>
void matmul_transposed(const Rows<const T>& A, const Rows<const T>& B, bool accumulate_to, const Rows<T>& C) {
  constexpr Size W = Vec<T>::size;
  if (A.cols % W == 0) {
    if (A.rows == 1) return row_times_transposed(A.data, B, accumulate_to, C.data);
    // One column is B A^T as one row.
    if (B.rows == 1 && C.stride == 1) return row_times_transposed(B.data, A, accumulate_to, C.data);
  }
  // The elements of A and C are fewer to transpose than those of B.
  if (A.rows % W == 0 && B.rows % W == 0 && A.rows * (A.cols + B.rows) < A.cols * B.rows) {
    return exchanged_product(A, B, accumulate_to, C);
  }
  product<T, true>(A, B, nullptr, accumulate_to, NoEpilogue(), C);
}

/// Rows of A and B whose products are summed before the sum is added to C.
constexpr Size piece_rows = 128;

/// C += alpha A^T B for one piece, N vectors of columns (C.cols is not used) and as many tiles of R rows as C has.
template <class T, int R, int N, class Part>
[[gnu::noinline]] void outer_tiles(T alpha, const Strided<T>& left, const T* B, Size B_stride, Size rows,
                                   const Rows<T>& C, Part last) {
  Strided<T> A = left;
  T* c = C.data;
  const Size tiles = C.rows / R, C_stride = C.stride;
  for (Size i = 0; i < tiles; ++i) {
    Tile<T, R, N> sum;
    each_in_tile<T, R, N>([&](int r, int v) { sum.at[r][v] = Vec<T>::zero(); });
    accumulate(sum, A, B, B_stride, rows, last);
    each_in_tile<T, R, N>([&](int r, int v) {
      const Vec<T> before = load_vector<T, N>(static_cast<const T*>(c) + r * C_stride, v, last);
      store_vector<T, N>(c + r * C_stride, v, Vec<T>::fma(Vec<T>::broadcast(alpha), sum.at[r][v], before), last);
    });
    A.data += R;
    c += R * C_stride;
  }
}

/// C += alpha A^T B in panels of `vectors` vectors and tiles of at most `most_rows` rows.
template <class T, int vectors, int most_rows>
void add_outer(T alpha, const Rows<const T>& A, const Rows<const T>& B, const Rows<T>& C) {
  using V = Vec<T>;
  for (Size p = 0; p < A.rows; p += piece_rows) {
    const Size k = min(piece_rows, A.rows - p);
    each_panel<T, vectors>(C.cols, [&](Size j, auto panel_vectors, auto last) {
      constexpr int N = decltype(panel_vectors)::value;
      each_stretch<min(most_rows, V::tile_rows(N))>(C.rows, [&](Size i, Size rows, auto tile_rows) {
        outer_tiles<T, decltype(tile_rows)::value, N>(alpha, Strided<T>{row(A, p) + i, 1, A.stride}, row(B, p) + j,
                                                      B.stride, k, Rows<T>{row(C, i) + j, rows, 0, C.stride}, last);
      });
    });
  }
}

template <class T>
void add_outer(T alpha, const Rows<const T>& A, const Rows<const T>& B, const Rows<T>& C) {
  using V = Vec<T>;
  constexpr int few = V::tile_rows(4), vectors = V::tile_vectors, tallest = V::tile_rows(1);
  // A sum of rows needs none of the code for taller tiles.
  if (C.rows == 1) return add_outer<T, 4, 1>(alpha, A, B, C);
  // Few rows need wide tiles, as in `product`.
  C.rows <= few ? add_outer<T, 4, few>(alpha, A, B, C) : add_outer<T, vectors, tallest>(alpha, A, B, C);
}

}  // namespace
}  // namespace ttt::ops
