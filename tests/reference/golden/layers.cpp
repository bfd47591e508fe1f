// SPDX-License-Identifier: MIT
// Golden files of a single TTT layer: layer/ (whole sequences, gradients, intermediate values) and decode/ (streaming).
#include "reference/golden/layers.hpp"

#include "support/laws.hpp"
#include "support/same_bits.hpp"

namespace ttt::support {

namespace {

template <InnerModel M>
Ttt<M> read_layer(GoldenFile& file) {
  auto params = TttParams<M>::zeros(file.config().layer());
  file.read_params("param.", params);
  return Ttt<M>(file.config().layer(), std::move(params));
}

template <InnerModel M>
std::vector<const TttStream<M>*> pointers(const TttState<M>& state) {
  std::vector<const TttStream<M>*> all;
  for (const TttStream<M>& stream : state.streams) all.push_back(&stream);
  return all;
}

/// [batch, time, heads * head_dim] -> [batch, heads, time, head_dim]
template <class T>
Tensor<T, 4> by_head(View<const T> rows, Index batch, Index heads) {
  const Index time = rows.rows() / batch, D = rows.cols() / heads;
  Tensor<T, 4> result({batch, heads, time, D});
  for (Index i = 0; i < batch; ++i) {
    for (Index h = 0; h < heads; ++h) copy<T, 2>(rows.row_range(i * time, time).columns(h * D, D), result[i][h]);
  }
  return result;
}

/// What the inner loop receives and gives.
template <InnerModel M>
void compare_trace(GoldenFile& file, const Ttt<M>& layer, const Tensor<typename M::Scalar, 3>& x) {
  using T = typename M::Scalar;
  const Index batch = x.extent(0), time = x.extent(1), C = x.extent(2), H = layer.config().num_heads;
  TttState<M> state = layer.start(batch);
  Workspace memory, work;
  Frame frame(memory);
  const View<T> y = frame.take<T, 2>({batch * time, C});
  using Sequence = sequence::Ttt<M>;
  const auto rotary = Sequence::tables(layer.config());
  const Streams rows(frame, batch, time);
  const View<const T> in(x.data(), {batch * time, C});
  const auto a = Sequence::forward_recorded({layer.config(), layer.params(), rotary}, in, rows,
                                            detail::stream_pointers(frame, state), {}, frame, y, work)
                     .a;

  const View<T> V = frame.take<T, 2>(y.shape());
  copy(a.tokens.target, V);
  ops::add(a.tokens.K, V);  // the target is V - K
  Tensor<T, 3> rate({batch, H, time}), heads({batch, time, C});
  for (Index i = 0; i < batch; ++i) {
    for (Index h = 0; h < H; ++h) copy<T, 1>(a.tokens.rate[h].row_range(i * time, time), rate[i][h]);
    copy<T, 2>(a.heads.row_range(i * time, time), heads[i]);
  }
  file.compare_if_given("trace.XQ", Quantity::value, by_head<T>(a.tokens.Q, batch, H));
  file.compare_if_given("trace.XK", Quantity::value, by_head<T>(a.tokens.K, batch, H));
  file.compare_if_given("trace.XV", Quantity::value, by_head<T>(V, batch, H));
  file.compare_if_given("trace.lr", Quantity::value, rate);
  file.compare_if_given("trace.inner_out", Quantity::value, heads);
}

template <InnerModel M>
void check_layer_of(GoldenFile& file) {
  using T = typename M::Scalar;
  const Ttt<M> layer = read_layer<M>(file);
  const Tensor<T, 3> x = file.input<T, 3>("hidden_states");
  const Index batch = x.extent(0);
  Tensor<T, 3> y(x.shape()), dx(x.shape());
  TttState<M> state = layer.start(batch);
  TttTape<M> tape;
  Workspace work;
  layer.forward(x, state, tape, work, y);
  file.compare("out", Quantity::value, y);
  compare_state<M>(file, "state.", pointers(state));
  const auto same = same_bits(y, layer(x));
  if (!same) file.fail(std::string("out: expected the same bits with and without a tape, found ") + same.message());
  compare_trace(file, layer, x);
  if (!file.contains("grad_out")) return;

  auto gradient = TttParams<M>::zeros(layer.config());
  TttState<M> d_state = layer.zeros(batch);
  layer.backward(tape, file.input<T, 3>("grad_out"), d_state, work, dx, gradient);
  layer.start_vjp(d_state, work, gradient);
  file.compare("grad.hidden_states", Quantity::gradient, dx);
  file.compare_if_given("grad.", Quantity::gradient, gradient);
}

template <InnerModel M>
void check_decode_of(GoldenFile& file) {
  using T = typename M::Scalar;
  const Ttt<M> layer = read_layer<M>(file);
  const Tensor<T, 3> x = file.input<T, 3>("hidden_states");
  const Index batch = x.extent(0), time = x.extent(1), prefill = file.description().at("prefill");
  const Tensor<T, 3> whole = layer(x);
  file.compare("out", Quantity::value, whole);

  Tensor<T, 3> stepwise(x.shape());
  TttState<M> state = layer.start(batch);
  Workspace work;
  const auto read = [&](Index t, Index n) {
    layer.forward(time_piece<const T>(x, t, n), state, work, time_piece<T>(stepwise, t, n));
  };
  read(0, prefill);
  compare_state<M>(file, "state_prefill.", pointers(state));
  for (Index t = prefill; t < time; ++t) read(t, 1);
  compare_state<M>(file, "state_final.", pointers(state));
  file.compare("stepwise_out", Quantity::value, stepwise);
  const auto same = same_bits(stepwise, whole);
  if (!same) file.fail(std::string("stepwise_out: expected the bits of the whole sequence, found ") + same.message());
}

}  // namespace

void check_layer(GoldenFile& file) {
  with_inner_model(file, [&]<class M>() { check_layer_of<M>(file); });
}

void check_decode(GoldenFile& file) {
  with_inner_model(file, [&]<class M>() { check_decode_of<M>(file); });
}

}  // namespace ttt::support
