// SPDX-License-Identifier: MIT
// Measures how a layer learns while it reads, and draws it: build/bench/reads_figure bench/figures/reads.svg
//
// A fresh TTT-Linear layer reads sequences in which a few noisy patterns keep coming back; halfway, others take their
// place. The projections are random. Their deviation gives the targets V - K a variance of about 1, as the norm in the
// inner model gives its output.
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "ttt/layer.hpp"

namespace {

using ttt::Index;

constexpr Index sequences = 32, length = 1024, change = length / 2, patterns = 32;
constexpr Index hidden_size = 256, heads = 4, mini_batch_size = 16, mini_batches = length / mini_batch_size;

ttt::Tensor<float, 3> recurring_patterns(ttt::Rng& rng) {
  auto x = ttt::normal<float>({sequences, length, hidden_size}, rng);  // at first the noise
  for (Index i = 0; i < sequences; ++i) {
    const auto all = ttt::normal<float>({2 * patterns, hidden_size}, rng);
    for (Index t = 0; t < length; ++t) {
      const auto pattern = all[static_cast<Index>(rng.below(patterns)) + (t < change ? 0 : patterns)];
      for (Index c = 0; c < hidden_size; ++c) x[i][t][c] = pattern[c] + x[i][t][c] / 4;
    }
  }
  return x;
}

/// Mean over sequences, heads and the tokens of each mini-batch.
using Curve = std::array<double, mini_batches>;

Curve mean(const ttt::Tensor<float, 3>& losses) {  // [sequences, heads, length]
  Curve curve{};
  for (Index i = 0; i < losses.size(); ++i) {
    curve[static_cast<std::size_t>(i % length / mini_batch_size)] +=
        losses.data()[i] / static_cast<double>(sequences * heads * mini_batch_size);
  }
  return curve;
}

// --- the drawing --------------------------------------------------------------------------------------------------

constexpr double left = 40, right = 574, top = 104, bottom = 318, least = 2, most = 100;

double x_of(double position) { return left + (right - left) * position / length; }
double y_of(double loss) { return bottom - (bottom - top) * std::log(loss / least) / std::log(most / least); }

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string text(double x, double y, const std::string& attributes, const std::string& words) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" " + attributes + ">" + words + "</text>\n";
}

std::string line(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return "<path d=\"M" + number(x1) + " " + number(y1) + "L" + number(x2) + " " + number(y2) + "\" " + attributes +
         "/>\n";
}

std::string draw(const Curve& curve, const std::string& name) {
  std::string points;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * mini_batch_size;
    points += (i > 0 ? " " : "") + number(x_of(middle)) + "," + number(y_of(curve[i]));
  }
  return "<polyline class=\"" + name + "\" points=\"" + points + "\"/>\n";
}

// Greys and colours that can be read on light and on dark pages, also where a viewer does not say which it has.
constexpr const char* head = R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 364" width="720" height="364">
<title>Inner loss of a TTT-Linear layer by position</title>
<style>
text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #656d76 }
.title { font-size: 17px; font-weight: 600 }
.end { text-anchor: end }
.middle { text-anchor: middle }
path { stroke: #848d97 }
.grid { stroke-opacity: 0.3 }
.change { stroke-dasharray: 3 4 }
polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round }
.initial { stroke: #848d97 }
.before { stroke: #db6d28 }
.after { stroke: #388bfd }
.name { font-weight: 600; stroke: none }
.name.before { fill: #db6d28 }
.name.after { fill: #388bfd }
@media (prefers-color-scheme: dark) { text { fill: #9198a1 } }
</style>
)";

std::string figure(const ttt::InnerLosses<float>& losses) {
  const Curve initial = mean(losses.initial), before = mean(losses.before), after = mean(losses.after);
  std::ostringstream svg, subtitle, means;
  subtitle << "A fresh layer reads " << patterns << " noisy patterns in random order, and others from token " << change
           << " on.";
  means << "Means over " << sequences << " sequences, " << heads << " heads of size " << hidden_size / heads
        << " and mini-batches of " << mini_batch_size << " tokens.";
  svg << head << text(8, 24, "class=\"title\"", "A TTT-Linear layer learns while it reads")
      << text(8, 45, "", subtitle.str()) << text(8, 63, "", means.str())
      << text(8, 91, "", "inner loss ½|f(k) − v|², logarithmic");
  for (const int loss : {2, 5, 10, 20, 50, 100}) {
    svg << line(left, y_of(loss), right, y_of(loss), loss == least ? "" : "class=\"grid\"")
        << text(left - 8, y_of(loss) + 4.5, "class=\"end\"", std::to_string(loss));
  }
  for (Index position = 0; position <= length; position += length / 4) {
    const double x = x_of(static_cast<double>(position));
    svg << line(x, bottom, x, bottom + 5, "") << text(x, bottom + 20, "class=\"middle\"", std::to_string(position));
  }
  svg << text((left + right) / 2, bottom + 40, "class=\"middle\"", "position (tokens)")
      << line(x_of(change), top, x_of(change), bottom, "class=\"change\"")
      << text(x_of(change) + 7, top + 16, "", "other patterns") << draw(initial, "initial") << draw(before, "before")
      << draw(after, "after");
  const double beside = right + 8;
  svg << text(beside, y_of(initial.back()) + 4.5, "class=\"name initial\"", "initial weights")
      << text(beside, y_of(before.back()) + 2, "class=\"name before\"", "before the step")
      << text(beside, y_of(after.back()) + 8, "class=\"name after\"", "after the token’s")
      << text(beside, y_of(after.back()) + 24, "class=\"name after\"", "own gradient") << "</svg>\n";
  return svg.str();
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: reads_figure <file.svg>\n";
    return 2;
  }
  ttt::Rng rng(1);
  const ttt::TttLinear<float> layer(
      {.hidden_size = hidden_size, .num_heads = heads, .mini_batch_size = mini_batch_size}, rng,
      /*initializer_range=*/1 / std::sqrt(2.0 * hidden_size));
  const auto x = recurring_patterns(rng);
  auto state = layer.start(sequences);
  ttt::Workspace work;
  ttt::Tensor<float, 3> y(x.shape());
  ttt::InnerLosses<float> losses;
  layer.forward(x, state, work, y, {.losses = &losses});

  std::ofstream file(arguments[1], std::ios::binary);
  file << figure(losses);
  if (!file.flush()) {
    std::cerr << arguments[1] << ": cannot be written\n";
    return 1;
  }
}
