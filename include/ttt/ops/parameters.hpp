// SPDX-License-Identifier: MIT
// What can be done with any struct of parameters, gradients or moments: names, counting, zeroing, norms, checks.
#pragma once

#include <concepts>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "ttt/base/parallel.hpp"
#include "ttt/ops/dense.hpp"

namespace ttt {

namespace detail {

struct VisitNothing {
  void operator()(const auto&, auto&...) const {}
};

}  // namespace detail

/// A struct whose `visit(f, s...)` calls f(name, tensor...) for each of its tensors, over one, two or more such structs
/// at a time. The first of them decides which tensors there are. Parameters, gradients and moments have one type.
template <class P>
concept Parameters = std::copyable<P> && requires(P& p, const P& c) {
  P::visit(detail::VisitNothing(), p);
  P::visit(detail::VisitNothing(), p, c, p, p);
};

/// All numbers of a parameter, in the order of memory.
template <class T, int Rank>
View<T, 1> values(Tensor<T, Rank>& t) {
  return {t.data(), {t.size()}};
}
template <class T, int Rank>
View<const T, 1> values(const Tensor<T, Rank>& t) {
  return {t.data(), {t.size()}};
}
template <class T>
View<T, 1> values(Dense<T>& t) {
  return t.values();
}
template <class T>
View<const T, 1> values(const Dense<T>& t) {
  return t.values();
}

template <class T, int Rank>
WeightFormat format_of(const Tensor<T, Rank>&) {
  return WeightFormat::full;
}
template <class T>
WeightFormat format_of(const Dense<T>& W) {
  return W.format();
}

/// How many numbers the outer loop trains.
template <Parameters P>
Index parameter_count(const P& params) {
  Index n = 0;
  P::visit([&](const auto&, const auto& t) { n += t.size(); }, params);
  return n;
}

/// Stores the dense weights in another format.
template <Parameters P>
void convert(P& params, WeightFormat format) {
  P::visit(
      [&]<class Parameter>(const auto&, Parameter& t) {
        if constexpr (requires { t.format(); }) t = Parameter(t.tensor(), format);
      },
      params);
}

template <Parameters P>
void set_zero(P& params) {
  P::visit([](const auto&, auto& t) { fill(values(t), 0); }, params);
}

namespace detail {

TTT_EXPORT double root_of_sum(std::span<const double> terms);

/// The name of a tensor in parts. It becomes text only for those who ask: walking over parameters allocates nothing.
/// One type for all names, so that what is done with a tensor is compiled once for each type of tensor.
class Name {
 public:
  template <class... Parts>
  Name(const Parts&... parts) : parts_{parts...} {}

  friend std::ostream& operator<<(std::ostream& out, const Name& name) {
    for (const MessagePart& part : name.parts_) out << part;
    return out;
  }

  operator std::string() const { return message({*this}); }

 private:
  MessagePart parts_[4];
};

/// Throws ShapeError unless the shapes are the same.
TTT_EXPORT void check_shape(const char* what, const Name& name, std::span<const Index> expected,
                            std::span<const Index> found);
/// Throws Error unless the format is full precision.
TTT_EXPORT void check_full(const char* what, const Name& name, WeightFormat format);

/// Throws ShapeError unless both have the same tensors, in the same shapes. What a struct holds in lists or variants,
/// which `visit` takes to be alike, it compares itself, in `check_alike(expected, found, what)`.
template <Parameters P>
void check_shapes(const P& expected, const P& found, const char* what) {
  if constexpr (requires { P::check_alike(expected, found, what); }) P::check_alike(expected, found, what);
  P::visit([&](const Name& name, const auto& e, const auto& f) { check_shape(what, name, e.shape(), f.shape()); },
           expected, found);
  P::visit([&](const Name& name, const auto& f, const auto& e) { check_shape(what, name, e.shape(), f.shape()); },
           found, expected);
}

/// The same for the gradient of `params`. Throws Error unless all of both is in full precision.
template <Parameters P>
void check_gradient(const P& params, const P& gradient, const char* what) {
  check_shapes(params, gradient, what);
  P::visit(
      [&](const Name& name, const auto& p, const auto& g) {
        check_full(what, name, format_of(p));
        check_full(what, name, format_of(g));
      },
      params, gradient);
}

}  // namespace detail

/// Square root of the sum of squares of all numbers, added in double.
template <Parameters P>
double global_norm(const P& gradient) {
  const FloatEnvironment environment;
  std::vector<double> squares;
  P::visit(
      [&]<class Parameter>(const auto&, const Parameter& t) {
        const auto x = values(t);
        squares.push_back(ops::kernels<std::remove_const_t<std::remove_pointer_t<decltype(x.data())>>>().sum_squares(
            x.data(), x.size()));
      },
      gradient);
  return detail::root_of_sum(squares);
}

}  // namespace ttt
