// SPDX-License-Identifier: MIT
// The row of the peer: a layer of ours over the same layer in Eigen.
#include <memory>

#include "difference.hpp"
#include "layer_forward.hpp"
#include "peers/eigen_layer.hpp"
#include "summary/summary.hpp"
#include "ttt/inner/token_scale.hpp"

namespace ttt::bench {
namespace {

Spread over_eigen() {
  using Inner = inner::Linear<float>;
  LayerForward<Inner> ours(768, 12, 2048);
  const TttConfig& config = ours.layer.config();
  const TttParams<Inner>& p = ours.layer.params();
  const Tensor<float, 2> q = p.q_proj.tensor(), k = p.k_proj.tensor(), v = p.v_proj.tensor(), o = p.o_proj.tensor(),
                         rotary =
                             ops::rotary_table<float>(config.mini_batch_size, config.head_dim(), config.rope_theta);
  Tensor<float, 1> scale({config.mini_batch_size});
  inner::token_scale<float>(p.learnable_token_idx, scale);
  EigenLayer* eigens = eigen_layer_new({.hidden_size = config.hidden_size,
                                        .num_heads = config.num_heads,
                                        .mini_batch_size = config.mini_batch_size,
                                        .q = q.data(),
                                        .k = k.data(),
                                        .v = v.data(),
                                        .o = o.data(),
                                        .rate_weight = p.learnable_ttt_lr_weight.data(),
                                        .rate_bias = p.learnable_ttt_lr_bias.data(),
                                        .rate_factor = inner::rate_factor<float>(*config.base_lr, 1, config.head_dim()),
                                        .scale = scale.data(),
                                        .rotary = rotary.data(),
                                        .inner_norm_weight = p.ttt_norm_weight.data(),
                                        .inner_norm_bias = p.ttt_norm_bias.data(),
                                        .post_norm_weight = p.post_norm_weight.data(),
                                        .post_norm_bias = p.post_norm_bias.data(),
                                        .W1 = p.w0.maps[0].W.data(),
                                        .b1 = p.w0.maps[0].b.data()},
                                       ours.x.extent(1));
  const std::unique_ptr<EigenLayer, void (*)(EigenLayer*)> owner(eigens, eigen_layer_delete);
  Tensor<float, 3> y(ours.y.shape());
  ours.run();
  eigen_layer_forward(eigens, ours.x.data(), y.data());
  require(difference(ours.y, y) < 10 * tolerance, "our layer and Eigen's differ by ", difference(ours.y, y));
  return ratio(
      thread_seconds, 2, [&] { eigen_layer_forward(eigens, ours.x.data(), y.data()); }, [&] { ours.run(); });
}

}  // namespace

void add_eigen_rows(std::vector<Row>& rows) { rows.push_back({"over_eigen", "times Eigen's rate", over_eigen}); }

}  // namespace ttt::bench
