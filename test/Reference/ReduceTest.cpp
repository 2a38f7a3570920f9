// Reductions, order statistics and scans.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference::test;

namespace {
Reals reduce(const std::string &kind, const Reals &x) {
  return unary("reduce " + kind + " %x {axes = array<i64: 1>, keepDims = false}", "2x3xf32",
               "2xf32", x);
}
} // namespace

TEST(Reduce, Kinds) {
  Reals x{1, -2, 3, 4, 5, 6};
  EXPECT_EQ(reduce("sum", x), (Reals{2, 15}));
  expectNear(reduce("mean", x), {2.0 / 3, 5});
  EXPECT_EQ(reduce("max", x), (Reals{3, 6}));
  EXPECT_EQ(reduce("min", x), (Reals{-2, 4}));
  EXPECT_EQ(reduce("prod", x), (Reals{-6, 120}));
  EXPECT_EQ(reduce("l1", x), (Reals{6, 15}));
  expectNear(reduce("l2", x), {std::sqrt(14.0), std::sqrt(77.0)});
  EXPECT_EQ(reduce("sum_square", x), (Reals{14, 77}));
  expectNear(reduce("log_sum", x), {std::log(2.0), std::log(15.0)});
  expectNear(reduce("log_sum_exp", x), {3 + std::log(1 + std::exp(-2.0) + std::exp(-5.0)),
                                        6 + std::log(1 + std::exp(-1.0) + std::exp(-2.0))});
}

TEST(Reduce, AxesAndKeptDims) {
  Program program;
  program.body("%x: tensor<2x2x2xi32>", "tensor<1x2x1xi32>",
               "%0 = qnt.reduce sum %x {axes = array<i64: 0, 2>, keepDims = true} : "
               "(tensor<2x2x2xi32>) -> tensor<1x2x1xi32>\n return %0 : tensor<1x2x1xi32>");
  EXPECT_EQ(program.input({1, 2, 3, 4, 5, 6, 7, 8}).run(), (Reals{14, 22}));
  EXPECT_EQ(program.dims, (Dims{1, 2, 1}));
  EXPECT_EQ(
      unary("reduce mean %x {axes = array<i64: 0>, keepDims = false}", "2xi32", "i32", {3, 4}),
      (Reals{3}));
  EXPECT_EQ(
      unary("reduce max %x {axes = array<i64: 0>, keepDims = false}", "2xui8", "ui8", {3, 200}),
      (Reals{200}));
}

TEST(Reduce, EmptyGivesTheNeutralElement) {
  auto empty = [](const std::string &kind) {
    return unary("reduce " + kind + " %x {axes = array<i64: 1>, keepDims = false}", "1x0xf32",
                 "1xf32", {});
  };
  EXPECT_EQ(empty("sum"), (Reals{0}));
  EXPECT_EQ(empty("prod"), (Reals{1}));
  EXPECT_EQ(empty("max"), (Reals{-INFINITY}));
  EXPECT_EQ(empty("min"), (Reals{INFINITY}));
  EXPECT_EQ(empty("log_sum_exp"), (Reals{-INFINITY}));
}

TEST(Reduce, SumsRunOverSixteenLanes) {
  // In order, 2^24 would swallow each 1. Over lanes the tree adds the ones to each other first:
  // lane 4 is lost on lane 0, then lane 2 brings 2 and lane 1 brings 4.
  Reals x(16, 0);
  x[0] = 16777216;
  for (int i = 1; i <= 7; ++i)
    x[i] = 1;
  EXPECT_EQ(unary("reduce sum %x {axes = array<i64: 0>, keepDims = false}", "16xf32", "f32", x),
            (Reals{16777216 + 6}));
}

TEST(Reduce, ArgReduce) {
  auto arg = [](const std::string &attributes, const Reals &x) {
    return unary("arg_reduce %x {axis = 0 : i64, keepDims = false" + attributes + "}", "4xf32",
                 "i64", x);
  };
  EXPECT_EQ(arg("", {1, 3, 3, 0}), (Reals{1}));
  EXPECT_EQ(arg(", selectLast = true", {1, 3, 3, 0}), (Reals{2}));
  EXPECT_EQ(arg(", minimum = true", {1, 0, 3, 0}), (Reals{1}));
}

TEST(Reduce, CumSum) {
  auto scan = [](const std::string &attributes) {
    return unary("cum_sum %x {axis = 0 : i64" + attributes + "}", "4xf32", "4xf32", {1, 2, 3, 4});
  };
  EXPECT_EQ(scan(""), (Reals{1, 3, 6, 10}));
  EXPECT_EQ(scan(", exclusive = true"), (Reals{0, 1, 3, 6}));
  EXPECT_EQ(scan(", reverse = true"), (Reals{10, 9, 7, 4}));
  EXPECT_EQ(scan(", exclusive = true, reverse = true"), (Reals{9, 7, 4, 0}));
}

TEST(Reduce, TopK) {
  Program program;
  program.body("%x: tensor<5xf32>", "tensor<3xf32>, tensor<3xi64>",
               "%0, %1 = qnt.top_k %x {axis = 0 : i64} : (tensor<5xf32>) -> (tensor<3xf32>, "
               "tensor<3xi64>)\n return %0, %1 : tensor<3xf32>, tensor<3xi64>");
  program.input({1, 5, 3, 5, 2});
  EXPECT_EQ(program.run(0), (Reals{5, 5, 3}));
  EXPECT_EQ(program.run(1), (Reals{1, 3, 2}));
}
