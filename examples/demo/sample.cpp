// SPDX-License-Identifier: MIT
// Draws bytes from a model, and keeps the terminal safe from them.
#include "sample.hpp"

#include <ostream>

#include "progress.hpp"
#include "recipe.hpp"
#include "ttt/generate.hpp"

namespace demo {

namespace {

constexpr const char* replacement = "\xEF\xBF\xBD";

/// Bytes of the UTF-8 character that begins with this one; 0 if none does.
std::size_t utf8_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (0xC2 <= first && first < 0xE0) return 2;
  if (0xE0 <= first && first < 0xF0) return 3;
  if (0xF0 <= first && first < 0xF5) return 4;
  return 0;
}

/// Whether `next` may follow the bytes of a character begun. The second byte of some has a narrower range: no character
/// has two encodings, none is a surrogate or above U+10FFFF, and none here is one of the controls U+0080 to U+009F.
bool may_follow(const std::string& begun, unsigned char next) {
  unsigned char low = 0x80, high = 0xBF;
  if (begun.size() == 1) {
    switch (static_cast<unsigned char>(begun[0])) {
      case 0xC2:
        low = 0xA0;
        break;
      case 0xE0:
        low = 0xA0;
        break;
      case 0xED:
        high = 0x9F;
        break;
      case 0xF0:
        low = 0x90;
        break;
      case 0xF4:
        high = 0x8F;
        break;
      default:
        break;
    }
  }
  return low <= next && next <= high;
}

bool is_control(unsigned char byte) { return (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F; }

}  // namespace

void SafeText::put(char c) {
  const auto byte = static_cast<unsigned char>(c);
  if (!begun_.empty() && !may_follow(begun_, byte)) finish();
  if (begun_.empty() && (utf8_length(byte) == 0 || is_control(byte))) {
    out_ << replacement;
    return;
  }
  begun_ += c;
  if (begun_.size() == utf8_length(static_cast<unsigned char>(begun_[0]))) {
    out_ << begun_;
    begun_.clear();
  }
}

void SafeText::finish() {
  if (!begun_.empty()) out_ << replacement;
  begun_.clear();
}

double write_sample(std::ostream& out, const ttt::Model& model, std::string_view prompt, ttt::Index length,
                    ttt::Index seed) {
  SafeText text(out);
  ttt::Generator generate(model, {.temperature = temperature, .seed = static_cast<std::uint64_t>(seed)},
                          {.ignore_eos = true});  // no byte ends a text
  generate.read(ttt::bytes(prompt));
  for (const char c : prompt) text.put(c);

  const Stopwatch watch;
  for (ttt::Index i = 0; i < length; ++i) {
    text.put(static_cast<char>(*generate.next()));
    out << std::flush;
  }
  text.finish();
  out << '\n';
  return watch.seconds() / static_cast<double>(length);
}

}  // namespace demo
