// SPDX-License-Identifier: MIT
// Attention over the rows of a batch. Every row sums over pages of keys in order of position, so that its bits do not
// depend on how the sequence is cut; no score is stored beyond its page.
#pragma once

#include <cmath>

#include "ttt/ops/project.hpp"
#include "ttt/ops/rotary.hpp"
#include "ttt/ops/rows.hpp"
#include "ttt/ops/streams.hpp"
#include "ttt/sequence/attention/params.hpp"
#include "ttt/sequence/attention/stream.hpp"

namespace ttt::detail {

/// What the functions of attention read.
template <class T>
struct AttentionRef {
  const AttentionConfig& config;
  const AttentionParams<T>& params;
  const ops::AbsoluteRotary<T>& rotary;

  Index head_dim() const { return *config.head_dim; }
  Index groups() const { return *config.num_key_value_heads; }
  /// Query heads that read the same key/value head, one after the other.
  Index heads_in_group() const { return config.num_heads / groups(); }
  T scale() const { return static_cast<T>(1 / std::sqrt(static_cast<double>(head_dim()))); }
};

/// Queries, keys and values of a batch, or their cotangents. [rows, H D] and [rows, G D]
template <class T>
struct AttentionTokens {
  View<T> Q, K, V;

  static AttentionTokens take(Frame& frame, const AttentionConfig& config, Index rows) {
    const Index D = *config.head_dim, keys = *config.num_key_value_heads * D;
    return {frame.take<T, 2>({rows, config.num_heads * D}), frame.take<T, 2>({rows, keys}),
            frame.take<T, 2>({rows, keys})};
  }
};

/// What one forward pass computes.
template <class T>
struct AttentionActivations {
  Streams rows;
  View<const T> x;            // [rows, C]  the layer's input; not a copy
  View<Index, 1> positions;   // [streams], at the start
  AttentionTokens<T> tokens;  // queries and keys rotated, queries divided by sqrt(D)
  View<T> heads;              // [rows, H D]  outputs of all heads
  View<T> most, total;        // [H, rows]  largest score, sum of exp(score - most)

  static AttentionActivations take(Frame& frame, const AttentionConfig& config, const Streams& rows,
                                   View<AttentionStream<T>*, 1> streams, View<const T> x) {
    const Index n = x.rows(), H = config.num_heads;
    AttentionActivations a{rows,
                           x,
                           frame.take<Index, 1>({rows.count()}),
                           AttentionTokens<T>::take(frame, config, n),
                           frame.take<T, 2>({n, H * *config.head_dim}),
                           frame.take<T, 2>({H, n}),
                           frame.take<T, 2>({H, n})};
    for (Index i = 0; i < rows.count(); ++i) a.positions[i] = streams[i]->position;
    return a;
  }
};

/// Turns queries and keys by the angles of their positions, or back.
template <class T>
void rotate_tokens(const AttentionRef<T>& layer, const Streams& rows, View<const Index, 1> positions, bool inverse,
                   const AttentionTokens<T>& tokens, Workspace& work) {
  Frame frame(work);
  const View<T> angles = frame.take<T, 2>({rows.rows(), layer.head_dim()});
  for (Index i = 0; i < rows.count(); ++i) {
    const View<T> Q = rows.of(tokens.Q, i), K = rows.of(tokens.K, i), angles_i = rows.of(angles, i);
    ops::for_rows(rows.length(i), 16.0 * static_cast<double>(Q.cols()), [&](Index t, Index m) {
      const View<T> table = angles_i.row_range(t, m);
      layer.rotary.fill(positions[i] + t, table);
      ops::rotate_halves(table, inverse, Q.row_range(t, m));
      ops::rotate_halves(table, inverse, K.row_range(t, m));
      ops::scale(layer.scale(), Q.row_range(t, m));
    });
  }
}

/// The weights of a dense layer that gives scores: the keys of one head in one page.
template <class T>
ops::Panels<T> score_panels(const T* keys, Index head_dim) {
  return {keys, AttentionPage<T>::size, head_dim, WeightFormat::full};
}

/// Where key number j of a page begins; its channels are `width` apart. keys: [size / width, D, width]
template <class T>
T* key_at(T* keys, Index head_dim, Index j) {
  constexpr Index width = AttentionPage<std::remove_const_t<T>>::width;
  return keys + j / width * head_dim * width + j % width;
}

/// Moves keys and values between rows of one stream, the first of them at `position`, and pages: page_of(number of the
/// page, key/value head), move(element of the rows, element of a page).
template <class T, class Pages, class Move>
void each_page_element(const AttentionRef<T>& layer, Index position, const View<T>& K, const View<T>& V,
                       const Pages& page_of, const Move& move) {
  using Page = AttentionPage<T>;
  const Index G = layer.groups(), D = layer.head_dim();
  ops::for_rows(K.rows(), 4.0 * static_cast<double>(K.cols()), [&](Index first, Index n) {
    for (Index t = first; t < first + n; ++t) {
      const Index at = position + t, j = at % Page::size;
      for (Index g = 0; g < G; ++g) {
        const auto& [keys, values] = page_of(at / Page::size, g);
        T* key = key_at(keys, D, j);
        T* value = values + j * D;
        for (Index d = 0; d < D; ++d) {
          move(K[t][g * D + d], key[d * Page::width]);
          move(V[t][g * D + d], value[d]);
        }
      }
    }
  });
}

/// Keys and values of one head in one page.
template <class T>
struct HeadPage {
  T* keys;    // [size / width, D, width]
  T* values;  // [size, D]
};

template <class T>
HeadPage<T> head_page(AttentionStream<T>& stream, Index p, Index g) {
  AttentionPage<T>& page = stream.page(p);
  return {page.keys[g].data(), page.values[g].data()};
}

/// Queries whose scores are held at a time: enough to be multiplied fast, few enough for the first-level cache.
inline constexpr Index query_rows = 48;

/// Which keys of page p a query at position `at` counts, as the kernels want to know it for rows at, at + 1, ...
struct PageBand {
  Index begin, end;

  template <class T>
  static PageBand of(const AttentionRef<T>& layer, Index at, Index n, Index p) {
    const Index end = at + 1 - p * AttentionPage<T>::size;
    return {layer.config.window ? end - *layer.config.window : -n, end};
  }
};

/// f(p, band) for the pages that queries at positions at ... at + n - 1 see, first to last.
template <class T, class F>
void each_page(const AttentionRef<T>& layer, Index at, Index n, const F& f) {
  using Page = AttentionPage<T>;
  const Index first = AttentionStream<T>::first_visible_page(layer.config, at), last = (at + n - 1) / Page::size;
  for (Index p = first; p <= last; ++p) f(p, PageBand::of(layer, at, n, p));
}

/// Arithmetic of the rows of a batch in one head.
template <class T>
double attention_operations(const AttentionRef<T>& layer, const AttentionActivations<T>& a) {
  double keys = 0;
  for (Index i = 0; i < a.rows.count(); ++i) {
    const auto seen = static_cast<double>(a.positions[i] + a.rows.length(i));
    const double most = layer.config.window ? static_cast<double>(*layer.config.window) : seen;
    keys += static_cast<double>(a.rows.length(i)) * std::min(seen, most);
  }
  return 4.0 * keys * static_cast<double>(layer.head_dim());
}

/// All heads of all streams, whose pages hold the keys and values of the rows already.
template <class T>
void attend(const AttentionRef<T>& layer, const AttentionActivations<T>& a, View<AttentionStream<T>*, 1> streams,
            Workspace& work) {
  const Index H = layer.config.num_heads, D = layer.head_dim();
  const Index tiles = (a.rows.longest() + query_rows - 1) / query_rows, tasks = a.rows.count() * H * tiles;
  const Index count = worker_count(tasks, static_cast<double>(H) * attention_operations(layer, a));
  Frame frame(work);
  std::vector<Workspace>& scratch = frame.workers(count);
  fill(a.heads, T(0));
  fill(a.most, -std::numeric_limits<T>::infinity());
  fill(a.total, T(0));
  parallel_for(tasks, count, [&](Index task, Index worker) {
    // The last queries see the most, so they go first.
    const Index i = task / tiles % a.rows.count(), h = task / tiles / a.rows.count();
    const Index t = (tiles - 1 - task % tiles) * query_rows, n = std::min(query_rows, a.rows.length(i) - t);
    if (n <= 0) return;
    Frame mine(scratch[static_cast<std::size_t>(worker)]);
    const View<T> S = mine.take<T, 2>({query_rows, AttentionPage<T>::size}).row_range(0, n);
    const View<T> Q = a.rows.of(a.tokens.Q, i).row_range(t, n).columns(h * D, D);
    const View<T> O = a.rows.of(a.heads, i).row_range(t, n).columns(h * D, D);
    const Index row = a.rows.begin(i) + t;
    const View<T, 1> most = a.most[h].row_range(row, n), total = a.total[h].row_range(row, n);
    each_page(layer, a.positions[i] + t, n, [&](Index p, PageBand band) {
      const HeadPage<T> page = head_page(*streams[i], p, h / layer.heads_in_group());
      ops::kernels<T>().project(ops::to_rows(View<const T>(Q)), score_panels<T>(page.keys, D), ops::to_rows(S));
      ops::softmax_step(band.begin, band.end, S, most, total, O);
      ops::add_band_matmul(S, View<const T>(page.values, {AttentionPage<T>::size, D}), band.begin, band.end, O);
    });
    ops::divide_rows(total, O);
  });
  frame.level_workers();
}

/// The whole layer; `a` is filled, y [rows, C] is written. keep(i) is called when stream i has the pages of all that
/// its rows see.
template <class T, class Keep>
void forward(const AttentionRef<T>& layer, const AttentionActivations<T>& a, View<AttentionStream<T>*, 1> streams,
             View<T> y, Workspace& work, const Keep& keep) {
  const AttentionParams<T>& p = layer.params;
  const auto& [Q, K, V] = a.tokens;
  ops::project<T>(a.x, {{p.q_proj, Q}, {p.k_proj, K}, {p.v_proj, V}});
  rotate_tokens(layer, a.rows, a.positions, false, a.tokens, work);
  for (Index i = 0; i < a.rows.count(); ++i) {
    AttentionStream<T>& stream = *streams[i];
    stream.position += a.rows.length(i);
    stream.reserve(layer.config);
    each_page_element(
        layer, a.positions[i], a.rows.of(K, i), a.rows.of(V, i),
        [&](Index number, Index g) { return head_page(stream, number, g); }, [](T& row, T& kept) { kept = row; });
    keep(i);
  }
  attend(layer, a, streams, work);
  for (Index i = 0; i < a.rows.count(); ++i) streams[i]->forget(layer.config);
  ops::project<T>(View<const T>(a.heads), {{p.o_proj, y}});
}

}  // namespace ttt::detail
