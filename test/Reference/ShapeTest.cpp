// Shape, index and padding ops.
#include "Evaluate.h"

using namespace qcc::reference::test;

namespace {
Reals nullary(const std::string &op, const std::string &type) {
  Program program;
  program.body("", "tensor<" + type + ">",
               "%0 = qnt." + op + "\n return %0 : tensor<" + type + ">");
  return program.run();
}
} // namespace

TEST(Shape, Makers) {
  EXPECT_EQ(nullary("constant dense<[1, 2, 3]> : tensor<3xi64>", "3xi64"), (Reals{1, 2, 3}));
  EXPECT_EQ(nullary("constant dense<true> : tensor<2xi1>", "2xi1"), (Reals{1, 1}));
  EXPECT_EQ(nullary("constant dense<[true, false]> : tensor<2xi1>", "2xi1"), (Reals{1, 0}));
  EXPECT_EQ(nullary("constant dense<1.5> : tensor<2xf16>", "2xf16"), (Reals{1.5, 1.5}));
  EXPECT_EQ(nullary("dim_tensor <[3, 4]> : tensor<2xi64>", "2xi64"), (Reals{3, 4}));
  EXPECT_EQ(
      nullary("iota {axis = 1 : i64, start = #qnt.dims<[5]>, step = 2 : i64} : tensor<2x3xi64>",
              "2x3xi64"),
      (Reals{5, 7, 9, 5, 7, 9}));
}

TEST(Shape, Movers) {
  Reals six{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(unary("reshape %x", "2x3xf32", "3x2xf32", six), six);
  EXPECT_EQ(unary("transpose %x {permutation = array<i64: 1, 0>}", "2x3xf32", "3x2xf32", six),
            (Reals{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(unary("broadcast %x", "2x1xf32", "2x2x2xf32", {1, 2}), (Reals{1, 1, 2, 2, 1, 1, 2, 2}));
  EXPECT_EQ(unary("slice %x {starts = #qnt.dims<[0, 2]>, steps = array<i64: 1, -2>}", "2x3xf32",
                  "2x2xf32", six),
            (Reals{3, 1, 6, 4}));
  EXPECT_EQ(binary("concat %x, %y {axis = 1 : i64}", "2x1xf32", "2x2xf32", "2x3xf32", {1, 2},
                   {3, 4, 5, 6}),
            (Reals{1, 3, 4, 2, 5, 6}));
  EXPECT_EQ(unary("identity %x", "2x3xf32", "2x3xf32", six), six);
}

TEST(Shape, Pad) {
  auto pad = [](const std::string &mode) {
    return binary("pad %x, %y {low = #qnt.dims<[2]>, high = #qnt.dims<[1]>, mode = #qnt<pad_mode " +
                      mode + ">}",
                  "3xf32", "f32", "6xf32", {1, 2, 3}, {9});
  };
  EXPECT_EQ(pad("constant"), (Reals{9, 9, 1, 2, 3, 9}));
  EXPECT_EQ(pad("edge"), (Reals{1, 1, 1, 2, 3, 3}));
  EXPECT_EQ(pad("reflect"), (Reals{3, 2, 1, 2, 3, 2}));
  EXPECT_EQ(pad("wrap"), (Reals{2, 3, 1, 2, 3, 1}));
}

TEST(Shape, Gathers) {
  Reals six{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(binary("gather %x, %y {axis = 1 : i64}", "2x3xf32", "2xi64", "2x2xf32", six, {-1, 0}),
            (Reals{3, 1, 6, 4}));
  EXPECT_EQ(binary("gather %x, %y {axis = 0 : i64}", "2x3xf32", "i32", "3xf32", six, {1}),
            (Reals{4, 5, 6}));
  EXPECT_EQ(binary("gather_elements %x, %y {axis = 1 : i64}", "2x3xf32", "2x2xi64", "2x2xf32", six,
                   {2, 0, 1, -1}),
            (Reals{3, 1, 5, 6}));
  EXPECT_EQ(binary("gather_nd %x, %y", "2x3xf32", "2x2xi64", "2xf32", six, {0, 1, 1, 2}),
            (Reals{2, 6}));
  EXPECT_EQ(
      binary("gather_nd %x, %y {batchDims = 1 : i64}", "2x3xf32", "2x1xi64", "2xf32", six, {2, 0}),
      (Reals{3, 4}));
}

TEST(Shape, Scatters) {
  auto scatter = [](const std::string &op, const std::string &indices, const std::string &updates,
                    const Reals &at, const Reals &values) {
    Program program;
    program.body("%x: tensor<4xf32>, %i: tensor<" + indices + ">, %u: tensor<" + updates + ">",
                 "tensor<4xf32>",
                 "%0 = qnt." + op + " : (tensor<4xf32>, tensor<" + indices + ">, tensor<" +
                     updates + ">) -> tensor<4xf32>\n return %0 : tensor<4xf32>");
    return program.input({1, 2, 3, 4}).input(at).input(values).run();
  };
  EXPECT_EQ(scatter("scatter_nd %x, %i, %u", "2x1xi64", "2xf32", {3, -4}, {8, 9}),
            (Reals{9, 2, 3, 8}));
  EXPECT_EQ(scatter("scatter_nd %x, %i, %u {kind = #qnt<scatter_kind add>}", "2x1xi64", "2xf32",
                    {1, 1}, {8, 9}),
            (Reals{1, 19, 3, 4}));
  EXPECT_EQ(scatter("scatter_elements %x, %i, %u {axis = 0 : i64, kind = #qnt<scatter_kind max>}",
                    "2xi64", "2xf32", {0, 2}, {0, 9}),
            (Reals{1, 2, 9, 4}));
  EXPECT_EQ(scatter("scatter_elements %x, %i, %u {axis = 0 : i64, kind = #qnt<scatter_kind mul>}",
                    "2xi64", "2xf32", {0, 2}, {5, 2}),
            (Reals{5, 2, 6, 4}));
}

TEST(Shape, NonZeroBindsItsSymbol) {
  Program program;
  program.body("%x: tensor<2x2xf32>", "tensor<2x?xi64, #qnt.dims<[2, n]>>, tensor<1xi64>",
               "%0 = qnt.non_zero %x {symbol = \"n\"} : (tensor<2x2xf32>) -> "
               "tensor<2x?xi64, #qnt.dims<[2, n]>>\n"
               "%1 = qnt.dim_tensor <[n + 1]> : tensor<1xi64>\n"
               "return %0, %1 : tensor<2x?xi64, #qnt.dims<[2, n]>>, tensor<1xi64>");
  program.input({0, 1, 2, 3});
  EXPECT_EQ(program.run(0), (Reals{0, 1, 1, 1, 0, 1}));
  EXPECT_EQ(program.run(1), (Reals{4}));
}

TEST(Shape, CountsBindSymbols) {
  Program program;
  program.body("%x: tensor<2x2xf32>", "tensor<1xi64>",
               "%0 = qnt.non_zero_count %x : (tensor<2x2xf32>) -> tensor<i64>\n"
               "qnt.bind_dim %0 as \"n\" : tensor<i64>\n"
               "%1 = qnt.dim_tensor <[n * 2]> : tensor<1xi64>\n return %1 : tensor<1xi64>");
  EXPECT_EQ(program.input({0, 1, 2, 3}).run(), (Reals{6}));
}

TEST(Shape, ChooseComputesOnlyWhatItNeeds) {
  // The index lies outside where it is not needed.
  auto with = [](double c, double i) {
    Program program;
    program.body("%x: tensor<2xf32>, %c: tensor<i64>, %i: tensor<i64>", "tensor<2xf32>",
                 "qnt.bind_dim %c as \"c\" : tensor<i64>\n"
                 "%0 = qnt.neg %x : (tensor<2xf32>) -> tensor<2xf32>\n"
                 "%1 = qnt.gather %x, %i {axis = 0 : i64} : (tensor<2xf32>, tensor<i64>) -> "
                 "tensor<f32>\n"
                 "%2 = qnt.broadcast %1 : (tensor<f32>) -> tensor<2xf32>\n"
                 "%3 = qnt.choose <[c]> %0, %2 : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>\n"
                 "return %3 : tensor<2xf32>");
    return program.input({1, 2}).input({c}).input({i}).run();
  };
  EXPECT_EQ(with(1, 99), (Reals{-1, -2}));
  EXPECT_EQ(with(0, 1), (Reals{2, 2}));
}

TEST(Shape, Resize) {
  auto resize = [](const std::string &attributes, const std::string &out, const Reals &x) {
    return unary("resize %x {" + attributes + "}", std::to_string(x.size()) + "xf32", out, x);
  };
  EXPECT_EQ(resize("mode = \"nearest\", coordinates = \"asymmetric\", nearest = \"floor\", "
                   "scales = array<f64: 2.0>",
                   "4xf32", {1, 2}),
            (Reals{1, 1, 2, 2}));
  EXPECT_EQ(resize("mode = \"linear\", coordinates = \"half_pixel\", nearest = \"floor\", "
                   "scales = array<f64: 2.0>",
                   "4xf32", {1, 2}),
            (Reals{1, 1.25, 1.75, 2}));
  EXPECT_EQ(resize("mode = \"linear\", coordinates = \"align_corners\", nearest = \"floor\", "
                   "scales = array<f64: 1.5>",
                   "3xf32", {1, 2}),
            (Reals{1, 1.5, 2}));
  // Cubic convolution reproduces a line away from the borders.
  Reals cubic = resize("mode = \"cubic\", coordinates = \"asymmetric\", nearest = \"floor\", "
                       "scales = array<f64: 2.0>",
                       "10xf32", {0, 1, 2, 3, 4});
  expectNear({cubic[2], cubic[3], cubic[4], cubic[5]}, {1, 1.5, 2, 2.5});
}

TEST(Shape, Faults) {
  Program gather;
  gather.body("%x: tensor<2xf32>, %y: tensor<1xi64>", "tensor<1xf32>",
              "%0 = qnt.gather %x, %y {axis = 0 : i64} : (tensor<2xf32>, tensor<1xi64>) -> "
              "tensor<1xf32>\n return %0 : tensor<1xf32>");
  std::string text = gather.input({1, 2}).input({2}).fault();
  EXPECT_NE(text.find("QCC1851"), std::string::npos);
  EXPECT_NE(text.find("index 2 is outside an axis of size 2"), std::string::npos) << text;
  Program slice;
  slice.body("%x: tensor<2xf32>", "tensor<2xf32>",
             "%0 = qnt.slice %x {starts = #qnt.dims<[1]>, steps = array<i64: 1>} : (tensor<2xf32>) "
             "-> tensor<2xf32>\n return %0 : tensor<2xf32>");
  EXPECT_NE(slice.input({1, 2}).fault().find("QCC1851"), std::string::npos);
  Program reshape;
  reshape.body("%x: tensor<?xf32, #qnt.dims<[s]>>", "tensor<2x2xf32>",
               "%0 = qnt.reshape %x : (tensor<?xf32, #qnt.dims<[s]>>) -> tensor<2x2xf32>\n"
               "return %0 : tensor<2x2xf32>",
               "#qnt.symbol<\"s\", input = 0, axis = 0>");
  EXPECT_NE(reshape.input({1, 2, 3}, Dims{3}).fault().find("QCC1861"), std::string::npos);
}
