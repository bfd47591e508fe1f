// SPDX-License-Identifier: MIT
// Names of enums: all are there, and a number without one is refused in the same words everywhere.
#include "ttt/base/enums.hpp"

#include <gtest/gtest.h>

#include "support/files.hpp"
#include "ttt/checkpoint.hpp"

namespace ttt {
namespace {

using support::error_of;

enum class Fruit { apple, pear };
constexpr detail::Named<Fruit> fruits[] = {{Fruit::pear, "pear"}, {Fruit::apple, "apple"}};

TEST(Enums, GoFromValueToNameAndBack) {
  EXPECT_STREQ(detail::row_of(fruits, Fruit::apple, "Fruit").name, "apple");
  EXPECT_EQ(detail::value_of(fruits, "pear"), Fruit::pear);
  EXPECT_EQ(detail::value_of(fruits, "pea"), std::nullopt);
  EXPECT_EQ(error_of<Error>([] { detail::row_of(fruits, static_cast<Fruit>(7), "Fruit"); }),
            "Fruit: expected one of pear, apple, found number 7");
}

TEST(Enums, OfTheLibraryHaveNames) {
  EXPECT_STREQ(name(Isa::avx512), "avx512");
  EXPECT_STREQ(name(WeightFormat::q8), "q8");
  EXPECT_STREQ(name(Dtype::bf16), "BF16");
  EXPECT_STREQ(name(SequenceType::mlp), "mlp");
}

TEST(Enums, OfTheLibraryRefuseUnknownNumbers) {
  const auto refusal = [](auto value) { return error_of<Error>([&] { name(value); }); };
  EXPECT_EQ(refusal(static_cast<Isa>(9)), "Isa: expected one of scalar, avx2, avx512, neon, found number 9");
  EXPECT_EQ(refusal(static_cast<WeightFormat>(-1)), "WeightFormat: expected one of full, bf16, q8, found number -1");
  EXPECT_EQ(refusal(static_cast<Dtype>(99)).find("Dtype: expected one of F64, F32"), 0u);
  EXPECT_EQ(refusal(static_cast<SequenceType>(99)).find("SequenceType: expected one of linear, mlp"), 0u);
}

}  // namespace
}  // namespace ttt
