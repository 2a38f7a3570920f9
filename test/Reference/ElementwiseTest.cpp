// Elementwise ops against values computed by hand.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference::test;

namespace {
const double inf = INFINITY, notANumber = NAN;
Reals f32(const std::string &op, const Reals &x) {
  std::string type = std::to_string(x.size()) + "xf32";
  return unary(op + " %x", type, type, x);
}
Reals pair(const std::string &op, const std::string &element, const Reals &x, const Reals &y) {
  std::string type = std::to_string(x.size()) + "x" + element;
  return binary(op + " %x, %y", type, type, type, x, y);
}
} // namespace

TEST(Elementwise, SimpleUnary) {
  EXPECT_EQ(f32("abs", {-1.5, 2}), (Reals{1.5, 2}));
  EXPECT_EQ(f32("neg", {-1.5, 2}), (Reals{1.5, -2}));
  expectNear(f32("sign", {-3, 0, 2, notANumber}), {-1, 0, 1, notANumber});
  EXPECT_EQ(f32("ceil", {-1.5, 1.2}), (Reals{-1, 2}));
  EXPECT_EQ(f32("floor", {-1.5, 1.2}), (Reals{-2, 1}));
  EXPECT_EQ(f32("round", {0.5, 1.5, 2.5, -0.5, -1.5}), (Reals{0, 2, 2, 0, -2}));
  EXPECT_EQ(f32("sqrt", {4, 2.25}), (Reals{2, 1.5}));
  EXPECT_EQ(f32("reciprocal", {4, -0.5}), (Reals{0.25, -2}));
  expectNear(f32("relu", {-1, 3, notANumber}), {0, 3, notANumber});
}

TEST(Elementwise, Transcendental) {
  expectNear(f32("exp", {0, 1}), {1, M_E});
  expectNear(f32("log", {1, M_E, 0}), {0, 1, -inf});
  expectNear(f32("sin", {M_PI / 2, 0}), {1, 0});
  expectNear(f32("cos", {0, M_PI}), {1, -1});
  expectNear(f32("tan", {M_PI / 4}), {1});
  expectNear(f32("asin", {1}), {M_PI / 2});
  expectNear(f32("acos", {1}), {0});
  expectNear(f32("atan", {1}), {M_PI / 4});
  expectNear(f32("sinh", {1}), {1.1752012});
  expectNear(f32("cosh", {1}), {1.5430806});
  expectNear(f32("asinh", {1}), {0.8813736});
  expectNear(f32("acosh", {2}), {1.3169579});
  expectNear(f32("atanh", {0.5}), {0.5493061});
  expectNear(f32("tanh", {1, -100}), {0.7615942, -1});
  expectNear(f32("sigmoid", {0, 2, -200}), {0.5, 0.8807971, 0});
  expectNear(f32("erf", {1}), {0.8427008});
  expectNear(f32("silu", {1, -1}), {0.7310586, -0.2689414});
  expectNear(f32("softplus", {0, 100, -100}), {0.6931472, 100, 0});
}

TEST(Elementwise, Gelu) {
  expectNear(f32("gelu", {1, -1}), {0.8413447, -0.1586553});
  expectNear(unary("gelu %x {kind = #qnt<gelu_kind tanh>}", "1xf32", "1xf32", {1}), {0.8411920});
  expectNear(unary("gelu %x {kind = #qnt<gelu_kind sigmoid>}", "1xf32", "1xf32", {1}), {0.8457958});
}

TEST(Elementwise, IntegersWrapAndComplement) {
  EXPECT_EQ(unary("neg %x", "2xi8", "2xi8", {-128, 5}), (Reals{-128, -5}));
  EXPECT_EQ(unary("abs %x", "1xi32", "1xi32", {-7}), (Reals{7}));
  EXPECT_EQ(unary("not %x", "2xi1", "2xi1", {0, 1}), (Reals{1, 0}));
  EXPECT_EQ(unary("not %x", "1xi8", "1xi8", {5}), (Reals{-6}));
  EXPECT_EQ(pair("add", "i8", {127}, {1}), (Reals{-128}));
  EXPECT_EQ(pair("mul", "ui8", {16}, {17}), (Reals{16}));
  EXPECT_EQ(pair("pow", "i32", {3, 2, -1}, {4, 0, 3}), (Reals{81, 1, -1}));
}

TEST(Elementwise, Binary) {
  EXPECT_EQ(binary("add %x, %y", "2x1xf32", "3xf32", "2x3xf32", {10, 20}, {1, 2, 3}),
            (Reals{11, 12, 13, 21, 22, 23}));
  EXPECT_EQ(pair("sub", "f32", {1, 2}, {3, 0.5}), (Reals{-2, 1.5}));
  EXPECT_EQ(pair("div", "f32", {1, -1}, {4, 0}), (Reals{0.25, -inf}));
  EXPECT_EQ(pair("div", "i64", {-7, 7}, {2, -2}), (Reals{-3, -3}));
  EXPECT_EQ(pair("div", "ui8", {200}, {3}), (Reals{66}));
  expectNear(pair("pow", "f32", {2, 9}, {10, 0.5}), {1024, 3});
  expectNear(pair("min", "f32", {1, notANumber, 1}, {2, 1, notANumber}),
             {1, notANumber, notANumber});
  expectNear(pair("max", "f32", {1, notANumber, 1}, {2, 1, notANumber}),
             {2, notANumber, notANumber});
  EXPECT_EQ(pair("max", "ui8", {200}, {3}), (Reals{200}));
  EXPECT_EQ(pair("and", "i1", {1, 1}, {0, 1}), (Reals{0, 1}));
  EXPECT_EQ(pair("or", "i8", {5}, {2}), (Reals{7}));
  EXPECT_EQ(pair("xor", "i1", {1, 1}, {0, 1}), (Reals{1, 0}));
  EXPECT_EQ(pair("shl", "ui8", {3, 1}, {7, 8}), (Reals{128, 0}));
  EXPECT_EQ(pair("shr", "ui8", {129, 1}, {7, 8}), (Reals{1, 0}));
}

TEST(Elementwise, Mod) {
  EXPECT_EQ(pair("mod", "i64", {-7, 7, 6}, {3, -3, 3}), (Reals{2, -2, 0}));
  EXPECT_EQ(pair("mod", "f32", {-7.5, 7}, {3, -3}), (Reals{1.5, -2}));
  EXPECT_EQ(binary("mod %x, %y {fmod}", "1xf32", "1xf32", "1xf32", {-7.5}, {3}), (Reals{-1.5}));
  EXPECT_EQ(binary("mod %x, %y {fmod}", "1xi64", "1xi64", "1xi64", {-7}, {3}), (Reals{-1}));
}

TEST(Elementwise, CompareAndClassify) {
  auto compare = [](const std::string &predicate, const std::string &element, Reals x, Reals y) {
    std::string size = std::to_string(x.size()) + "x";
    return binary("compare " + predicate + " %x, %y", size + element, size + element, size + "i1",
                  x, y);
  };
  EXPECT_EQ(compare("eq", "f32", {1, notANumber}, {1, notANumber}), (Reals{1, 0}));
  EXPECT_EQ(compare("ne", "f32", {1, notANumber}, {1, notANumber}), (Reals{0, 1}));
  EXPECT_EQ(compare("lt", "i32", {-1, 2}, {1, 2}), (Reals{1, 0}));
  EXPECT_EQ(compare("le", "i32", {-1, 2}, {1, 2}), (Reals{1, 1}));
  EXPECT_EQ(compare("gt", "ui8", {200, 2}, {100, 2}), (Reals{1, 0}));
  EXPECT_EQ(compare("ge", "f32", {notANumber, 2}, {100, 2}), (Reals{0, 1}));
  EXPECT_EQ(unary("is_nan %x", "2xf32", "2xi1", {notANumber, 1}), (Reals{1, 0}));
  EXPECT_EQ(unary("is_inf %x", "3xf32", "3xi1", {inf, -inf, 1}), (Reals{1, 1, 0}));
  EXPECT_EQ(unary("is_inf %x {negative = false}", "2xf32", "2xi1", {inf, -inf}), (Reals{1, 0}));
}

TEST(Elementwise, Cast) {
  EXPECT_EQ(unary("cast %x", "5xf32", "5xi8", {1.9, -1.9, 300, -300, notANumber}),
            (Reals{1, -1, 127, -128, 0}));
  EXPECT_EQ(unary("cast %x", "3xf32", "3xui8", {-1, 255.5, 300}), (Reals{0, 255, 255}));
  EXPECT_EQ(unary("cast %x", "2xi64", "2xi8", {300, -129}), (Reals{44, 127}));
  EXPECT_EQ(unary("cast %x", "3xf32", "3xi1", {0, notANumber, 0.25}), (Reals{0, 1, 1}));
  EXPECT_EQ(unary("cast %x", "2xi64", "2xf32", {16777217, -3}), (Reals{16777216, -3}));
  // Ties to even, overflow at 65520, subnormals.
  EXPECT_EQ(unary("cast %x", "5xf32", "5xf16", {2049, 2051, 65519, 65520, 0x1p-25 * 1.5}),
            (Reals{2048, 2052, 65504, inf, 0x1p-24}));
  EXPECT_EQ(unary("cast %x", "2xf32", "2xbf16", {257, 259}), (Reals{256, 260}));
  // One rounding from double, not two.
  EXPECT_EQ(unary("cast %x", "1xf64", "1xf16", {1 + 0x1p-11 + 0x1p-40}), (Reals{1 + 0x1p-10}));
  EXPECT_EQ(unary("cast %x", "1xi64", "1xi32", {4294967295.0}), (Reals{-1}));
}

TEST(Elementwise, HalfRoundsOnce) {
  // 2048 + 1 is exact in float and a tie in half precision.
  EXPECT_EQ(pair("add", "f16", {2048}, {1}), (Reals{2048}));
  EXPECT_EQ(pair("mul", "f64", {0.1}, {3}), (Reals{0.1 * 3}));
}

TEST(Elementwise, Select) {
  Program program;
  program.body("%c: tensor<2x1xi1>, %x: tensor<2xf32>, %y: tensor<f32>", "tensor<2x2xf32>",
               "%0 = qnt.select %c, %x, %y : (tensor<2x1xi1>, tensor<2xf32>, tensor<f32>) -> "
               "tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  EXPECT_EQ(program.input({1, 0}).input({1, 2}).input({9}).run(), (Reals{1, 2, 9, 9}));
}

TEST(Elementwise, Faults) {
  Program division;
  division.body("%x: tensor<2xi32>, %y: tensor<2xi32>", "tensor<2xi32>",
                "%0 = qnt.div %x, %y : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi32>\n"
                "return %0 : tensor<2xi32>");
  EXPECT_NE(division.input({1, 2}).input({1, 0}).fault().find("QCC1852"), std::string::npos);
  Program type;
  type.body("%x: tensor<2xi32>", "tensor<2xi32>",
            "%0 = qnt.exp %x : (tensor<2xi32>) -> tensor<2xi32>\n return %0 : tensor<2xi32>");
  EXPECT_NE(type.input({1, 2}).fault().find("QCC1859"), std::string::npos);
}
