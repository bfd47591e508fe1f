// SPDX-License-Identifier: MIT
// The adjoint of attention. Weights of the softmax are computed again, page by page, from what the rows remember.
#pragma once

#include "ttt/sequence/attention/forward.hpp"

namespace ttt::detail {

/// Pages of some streams that keep neither growing nor forgetting. Their memory belongs to a frame.
template <class T>
struct AttentionPages {
  View<Index, 1> first, count;       // [streams]: number of the first page, and how many there are
  View<View<T, 3>, 1> keys, values;  // [streams] of [pages, G, size D]

  static AttentionPages take(Frame& frame, const AttentionRef<T>& layer, const Streams& rows,
                             View<const Index, 1> positions) {
    using Page = AttentionPage<T>;
    const Index streams = rows.count();
    AttentionPages all{frame.take<Index, 1>({streams}), frame.take<Index, 1>({streams}),
                       frame.take<View<T, 3>, 1>({streams}), frame.take<View<T, 3>, 1>({streams})};
    for (Index i = 0; i < streams; ++i) {
      const Index end = positions[i] + rows.length(i);
      all.first[i] = AttentionStream<T>::first_visible_page(layer.config, positions[i]);
      all.count[i] = std::max<Index>(0, (end + Page::size - 1) / Page::size - all.first[i]);
      for (auto* part : {&all.keys, &all.values}) {
        (*part)[i] = frame.zeros<T, 3>({all.count[i], layer.groups(), Page::size * layer.head_dim()});
      }
    }
    return all;
  }

  HeadPage<T> page(Index i, Index p, Index g) const {
    return {keys[i][p - first[i]][g].data(), values[i][p - first[i]][g].data()};
  }

  /// Copies the pages that both have.
  void copy_from(const AttentionStream<T>& stream, Index i) const {
    each_shared(stream, i, [&](const AttentionPage<T>& page, Index p) {
      std::copy(page.keys.begin(), page.keys.end(), keys[i][p - first[i]].data());
      std::copy(page.values.begin(), page.values.end(), values[i][p - first[i]].data());
    });
  }
  void copy_to(AttentionStream<T>& stream, Index i) const {
    each_shared(stream, i, [&](AttentionPage<T>& page, Index p) {
      std::copy_n(keys[i][p - first[i]].data(), page.keys.size(), page.keys.data());
      std::copy_n(values[i][p - first[i]].data(), page.values.size(), page.values.data());
    });
  }

 private:
  template <class Stream, class F>
  void each_shared(Stream& stream, Index i, const F& f) const {
    const Index begin = std::max(first[i], stream.first_page);
    const Index end = std::min(first[i] + count[i], stream.first_page + stream.count());
    for (Index p = begin; p < end; ++p) f(stream.page(p), p);
  }
};

/// What a backward pass needs of the forward pass.
template <class T>
struct AttentionRecord {
  AttentionActivations<T> a;
  AttentionPages<T> pages;
};

/// Adjoint of `attend`. Writes dQ, adds to d_pages.
template <class T>
void attend_vjp(const AttentionRef<T>& layer, const AttentionRecord<T>& record, View<const T> d_heads, View<T> dQ,
                const AttentionPages<T>& d_pages, Workspace& work) {
  using Page = AttentionPage<T>;
  const AttentionActivations<T>& a = record.a;
  const Index H = layer.config.num_heads, G = layer.groups(), D = layer.head_dim(), tasks = a.rows.count() * G;
  const Index count = worker_count(tasks, 3 * static_cast<double>(H) * attention_operations(layer, a));
  Frame frame(work);
  std::vector<Workspace>& scratch = frame.workers(count);
  fill(dQ, T(0));
  // Heads that read the same keys are one task, which adds to their cotangents alone.
  parallel_for(tasks, count, [&](Index task, Index worker) {
    const Index i = task / G, g = task % G, length = a.rows.length(i);
    Frame mine(scratch[static_cast<std::size_t>(worker)]);
    const View<T> all_S = mine.take<T, 2>({query_rows, Page::size}), all_dP = mine.take<T, 2>({query_rows, Page::size});
    const View<T, 1> all_delta = mine.take<T, 1>({query_rows});
    for (Index h = g * layer.heads_in_group(); h < (g + 1) * layer.heads_in_group(); ++h) {
      for (Index t = 0; t < length; t += query_rows) {
        const Index n = std::min(query_rows, length - t), row = a.rows.begin(i) + t;
        const auto part = [&](const auto& rows) { return rows.row_range(row, n).columns(h * D, D); };
        const View<T> Q = part(a.tokens.Q), S = all_S.row_range(0, n), dP = all_dP.row_range(0, n);
        const View<const T> dO = part(d_heads);
        const View<T, 1> delta = all_delta.row_range(0, n);
        ops::dot(dO, part(a.heads), delta);
        each_page(layer, a.positions[i] + t, n, [&](Index p, PageBand band) {
          const HeadPage<T> page = record.pages.page(i, p, g), d_page = d_pages.page(i, p, g);
          const View<const T> values(page.values, {Page::size, D});
          ops::kernels<T>().project(ops::to_rows(View<const T>(Q)), score_panels<T>(page.keys, D), ops::to_rows(S));
          ops::matmul_transposed(dO, values, dP);
          ops::softmax_vjp(band.begin, band.end, a.most[h].row_range(row, n), a.total[h].row_range(row, n), delta, S,
                           dP);
          ops::add_outer(T(1), S, dO, View<T>(d_page.values, {Page::size, D}));
          for (Index j = 0; j < Page::size; j += Page::width) {
            const View<const T> keys(page.keys + j * D, {D, Page::width});
            ops::add_matmul_transposed(dP.columns(j, Page::width), keys, part(dQ));
            ops::add_outer(T(1), Q, dP.columns(j, Page::width), View<T>(d_page.keys + j * D, {D, Page::width}));
          }
        });
      }
    }
  });
  frame.level_workers();
}

/// The whole layer: adds to dx [rows, C] and d_params; d_streams hold cotangents of the final states, then of the
/// initial ones.
template <class T>
void backward(const AttentionRef<T>& layer, const AttentionRecord<T>& record, View<const T> dy,
              View<AttentionStream<T>*, 1> d_streams, View<T> dx, AttentionParams<T>& d_params, Workspace& work) {
  const AttentionActivations<T>& a = record.a;
  const AttentionParams<T>& params = layer.params;
  Frame frame(work);
  const View<T> d_heads = frame.zeros<T, 2>(a.heads.shape());
  ops::project_vjp(a.heads, params.o_proj, dy, d_heads, d_params.o_proj);

  const auto d_pages = AttentionPages<T>::take(frame, layer, a.rows, a.positions);
  for (Index i = 0; i < a.rows.count(); ++i) d_pages.copy_from(*d_streams[i], i);
  const auto d = AttentionTokens<T>::take(frame, layer.config, a.x.rows());
  attend_vjp<T>(layer, record, d_heads, d.Q, d_pages, work);

  // What came back to the keys and values of the rows themselves goes to the projections, the rest to the state before.
  for (Index i = 0; i < a.rows.count(); ++i) {
    each_page_element(
        layer, a.positions[i], a.rows.of(d.K, i), a.rows.of(d.V, i),
        [&](Index p, Index g) { return d_pages.page(i, p, g); },
        [](T& row, T& kept) {
          row = kept;
          kept = 0;
        });
    AttentionStream<T>& d_stream = *d_streams[i];
    for (AttentionPage<T>& page : d_stream.pages) page.clear();
    d_stream.position = a.positions[i];
    d_stream.first_page = d_pages.first[i];
    d_stream.reserve(layer.config);
    d_pages.copy_to(d_stream, i);
  }
  rotate_tokens<T>(layer, a.rows, a.positions, true, d, work);
  ops::project_vjp(a.x, params.q_proj, d.Q, dx, d_params.q_proj);
  ops::project_vjp(a.x, params.k_proj, d.K, dx, d_params.k_proj);
  ops::project_vjp(a.x, params.v_proj, d.V, dx, d_params.v_proj);
}

}  // namespace ttt::detail
