// SPDX-License-Identifier: MIT
// Reads held-out text with carried states, and puts the losses into doubling buckets.
#include "report.hpp"

#include <algorithm>
#include <iomanip>
#include <numbers>
#include <numeric>
#include <ostream>
#include <string>

namespace demo {
namespace {

double mean(const std::vector<double>& bits, Index begin, Index end) {
  return std::accumulate(bits.begin() + begin, bits.begin() + end, 0.0) / static_cast<double>(end - begin);
}

}  // namespace

Passages cut(std::string_view text, Index length, Index most) {
  const Index n = std::min(most, (static_cast<Index>(text.size()) - 1) / length);
  Passages passages{ttt::Tensor<ttt::Token, 2>({n, length}), ttt::Tensor<ttt::Token, 2>({n, length})};
  const auto byte = [&](Index i) { return static_cast<unsigned char>(text[static_cast<std::size_t>(i)]); };
  for (Index i = 0; i < n * length; ++i) {
    passages.tokens.data()[i] = byte(i);
    passages.targets.data()[i] = byte(i + 1);
  }
  return passages;
}

std::vector<double> bits_by_position(const ttt::Model& model, const Passages& passages, double inner_lr, Index length) {
  const Index n = passages.tokens.extent(0);
  constexpr Index piece = 256;  // bounds the memory
  ttt::ModelState<float> state = model.start(n);
  ttt::Workspace work;
  ttt::Tensor<float, 2> losses({n, piece});
  std::vector<double> bits(static_cast<std::size_t>(length));
  for (Index first = 0; first < length; first += piece) {
    const Index count = std::min(piece, length - first);
    model.token_losses(passages.tokens.view().columns(first, count), passages.targets.view().columns(first, count),
                       state, work, losses.view().columns(0, count), {.inner_lr = inner_lr});
    for (Index t = 0; t < count; ++t) {
      double sum = 0;
      for (Index i = 0; i < n; ++i) sum += losses[i][t];
      bits[static_cast<std::size_t>(first + t)] = sum / static_cast<double>(n) / std::numbers::ln2;
    }
  }
  return bits;
}

double mean(const std::vector<double>& bits) { return mean(bits, 0, static_cast<Index>(bits.size())); }

void write_report(std::ostream& out, const std::vector<double>& learning, const std::vector<double>& frozen,
                  Index trained_length) {
  const auto line = [&](const std::string& label, Index begin, Index end, const char* note) {
    const double ours = mean(learning, begin, end), twin = mean(frozen, begin, end);
    out << std::setw(15) << label << std::setw(9) << ours << std::setw(9) << twin << std::setw(9) << twin - ours << note
        << '\n';
  };
  out << std::fixed << std::setprecision(3);
  out << "      positions      TTT     twin     gain\n";
  const auto length = static_cast<Index>(learning.size());
  for (Index begin = 0, end = 16; begin < length; begin = end, end *= 2) {
    const Index last = std::min(end, length);
    line(std::to_string(begin) + " - " + std::to_string(last - 1), begin, last,
         begin < trained_length && trained_length <= last ? "   <- trained to here" : "");
  }
  line("all", 0, length, "");
}

void write_formats(std::ostream& out, const std::vector<FormatBits>& formats) {
  out << std::fixed << std::setprecision(5);
  out << "        weights  bits per byte    change\n";
  for (const auto& [format, bits] : formats) {
    const double change = bits - formats.front().bits;
    out << std::setw(15) << name(format) << std::setw(15) << bits << std::setw(10) << std::showpos << change
        << std::noshowpos << '\n';
  }
}

}  // namespace demo
