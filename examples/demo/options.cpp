// SPDX-License-Identifier: MIT
// The command line, with one message for every way to get it wrong.
#include "options.hpp"

#include <sstream>

namespace demo {

const char* const usage =
    "usage: demo [option...] [FILE]\n"
    "\n"
    "Trains a small language model on the bytes of a text, reports what test-time training adds on a part of the text\n"
    "that it never saw, lets the model write, and saves it. Without FILE it reads the King James Bible (Debian's\n"
    "package bible-kjv) or, where that is not there, the sources of this project.\n"
    "\n"
    "  --minutes M           time for everything together (2)\n"
    "  --steps N             train for exactly N steps instead, so that a run can be repeated\n"
    "  --layer linear|mlp    TTT-Linear or TTT-MLP (linear)\n"
    "  --seed N              of the initial parameters, the order of the text and the sample (1)\n"
    "  --out DIR             where the model is saved (ttt-demo-model)\n"
    "  --help                print this\n";

namespace {

template <class Number>
Number parse_number(const std::string& option, const std::string& text, Number low, Number high) {
  std::istringstream in(text);
  Number number{};
  const bool complete = (in >> std::noskipws >> number) && in.peek() == std::istringstream::traits_type::eof();
  ttt::require<UsageError>(complete && low <= number && number <= high, option, ": expected a number from ", low,
                           " to ", high, ", found '", text, "'");
  return number;
}

ttt::SequenceType parse_layer(const std::string& text) {
  for (const ttt::SequenceType type : {ttt::SequenceType::linear, ttt::SequenceType::mlp}) {
    if (text == ttt::name(type)) return type;
  }
  throw UsageError("--layer: expected linear or mlp, found '" + text + "'");
}

}  // namespace

Options parse_options(const std::vector<std::string>& arguments) {
  Options options;
  bool minutes_given = false;
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    const std::string& option = *argument;
    const auto value = [&]() -> const std::string& {
      ttt::require<UsageError>(argument + 1 != arguments.end(), option, ": expected a value after it, found nothing");
      return *++argument;
    };
    if (option == "--help" || option == "-h") {
      options.help = true;
    } else if (option == "--minutes") {
      options.minutes = parse_number(option, value(), 0.1, 1440.0);
      minutes_given = true;
    } else if (option == "--steps") {
      options.steps = parse_number<ttt::Index>(option, value(), 1, 1'000'000);
    } else if (option == "--layer") {
      options.layer = parse_layer(value());
    } else if (option == "--seed") {
      options.seed = parse_number<ttt::Index>(option, value(), 0, 1'000'000'000);
    } else if (option == "--out") {
      options.out = value();
    } else {
      ttt::require<UsageError>(!option.starts_with("-"), "unknown option ", option, "; --help lists all");
      ttt::require<UsageError>(!options.file, "expected one file, found '", option, "' as well");
      options.file = option;
    }
  }
  ttt::require<UsageError>(!minutes_given || !options.steps, "expected --minutes or --steps, found both");
  return options;
}

}  // namespace demo
