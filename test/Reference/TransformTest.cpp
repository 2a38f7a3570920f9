// Rotations and side paths of outliers.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference;
using namespace qcc::reference::test;

namespace {
Reals hadamard(const std::string &type, const std::string &attributes, const Reals &x) {
  Program program;
  program.body("%x: " + type, type,
               "%0 = qnt.hadamard %x {" + attributes + "} : (" + type + ") -> " + type +
                   "\n return %0 : " + type);
  return program.input(x).run();
}
} // namespace

TEST(Transform, HadamardOfFour) {
  EXPECT_EQ(hadamard("tensor<4xf32>", "axis = 0 : i64, block = 4 : i64", {1, 2, 3, 4}),
            (Reals{5, -1, -2, 0}));
  // Blocks of two, along the first axis.
  EXPECT_EQ(hadamard("tensor<2x2xf32>", "axis = 0 : i64, block = 1 : i64", {1, 2, 3, 4}),
            (Reals{1, 2, 3, 4}));
  Reals rows = hadamard("tensor<2x2xf32>", "axis = 0 : i64, block = 2 : i64", {1, 2, 3, 4});
  float h = static_cast<float>(1 / std::sqrt(2.0));
  EXPECT_EQ(rows, (Reals{4 * h, 6 * h, -2 * h, -2 * h}));
}

TEST(Transform, HadamardReturns) {
  std::string at = "axis = 1 : i64, block = 12 : i64, seed = 9 : i64";
  Reals x;
  for (int i = 0; i < 48; ++i)
    x.push_back(i % 5 - 2);
  Reals y = hadamard("tensor<2x24xf32>", at, x);
  EXPECT_NE(x, y);
  Reals z = hadamard("tensor<2x24xf32>", at + ", inverse = true", y);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(x[i], z[i], 1e-6);
  // Numbers of 16 bits are rounded once, at the end.
  Reals half = hadamard("tensor<2x24xf16>", at, x);
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(half[i], double(_Float16(float(y[i]))));
}

TEST(Transform, HadamardOfAnUnknownOrder) {
  Program program;
  program.body("%x: tensor<6xf32>", "tensor<6xf32>",
               "%0 = qnt.hadamard %x {axis = 0 : i64, block = 6 : i64} : (tensor<6xf32>) -> "
               "tensor<6xf32>\n return %0 : tensor<6xf32>");
  auto results = program.input({1, 2, 3, 4, 5, 6}).evaluate();
  ASSERT_FALSE(results);
  EXPECT_NE(llvm::toString(results.takeError()).find("no Hadamard matrix of order 6"),
            std::string::npos);
}

TEST(Transform, SparseLinear) {
  Program shared;
  shared.body("%x: tensor<2x3xf32>, %w: tensor<2x2xf32>, %c: tensor<2xi32>", "tensor<2x2xf32>",
              "%0 = qnt.sparse_linear %x, %w, %c : (tensor<2x3xf32>, tensor<2x2xf32>, "
              "tensor<2xi32>) -> tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  Reals x = {1, 2, 3, 4, 5, 6}, w = {10, 20, 30, 40};
  EXPECT_EQ(shared.input(x).input(w).input({2, 0}).run(),
            (Reals{3 * 10 + 30, 3 * 20 + 40, 6 * 10 + 4 * 30, 6 * 20 + 4 * 40}));
  Program own;
  own.body("%x: tensor<2x3xf32>, %w: tensor<2x2xf32>, %c: tensor<2x2xi32>", "tensor<2x2xf32>",
           "%0 = qnt.sparse_linear %x, %w, %c : (tensor<2x3xf32>, tensor<2x2xf32>, "
           "tensor<2x2xi32>) -> tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  EXPECT_EQ(own.input(x).input(w).input({2, 0, 1, 1}).run(),
            (Reals{3 * 10 + 2 * 30, 20 + 2 * 40, 6 * 10 + 5 * 30, 4 * 20 + 5 * 40}));
  Program outside;
  outside.body("%x: tensor<1x3xf32>, %w: tensor<1x1xf32>, %c: tensor<1xi32>", "tensor<1x1xf32>",
               "%0 = qnt.sparse_linear %x, %w, %c : (tensor<1x3xf32>, tensor<1x1xf32>, "
               "tensor<1xi32>) -> tensor<1x1xf32>\n return %0 : tensor<1x1xf32>");
  auto results = outside.input({1, 2, 3}).input({1}).input({3}).evaluate();
  ASSERT_FALSE(results);
  EXPECT_NE(llvm::toString(results.takeError()).find("column 3 is outside"), std::string::npos);
}

TEST(Transform, TopColumns) {
  Program program;
  program.body("%x: tensor<2x4xf32>", "tensor<2x2xi32>",
               "%0 = qnt.top_columns %x : (tensor<2x4xf32>) -> tensor<2x2xi32>\n"
               "return %0 : tensor<2x2xi32>");
  // Ties go to the first; columns ascend.
  EXPECT_EQ(program.input({1, -5, 2, 4, 3, 3, -3, 1}).run(), (Reals{1, 0, 3, 1}));
}
