// The meanings of products on codes, with numbers that can be followed by hand.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference;
using namespace qcc::reference::test;

namespace {

/// Codes, scales and perhaps zero points put together as a weight of `scheme`.
struct Weight {
  std::string codes, scale, scheme, zero = "";

  std::string text() const {
    auto type = [](const std::string &constant) {
      return constant.substr(constant.find(" : ") + 3);
    };
    std::string result = "%c = qnt.constant " + codes + "\n%s = qnt.constant " + scale + "\n";
    if (!zero.empty())
      result += "%z = qnt.constant " + zero + "\n";
    return result + "%w = qnt.assemble %c, %s" + (zero.empty() ? "" : ", %z") + " : (" +
           type(codes) + ", " + type(scale) + (zero.empty() ? "" : ", " + type(zero)) + ") -> " +
           this->type() + "\n";
  }
  std::string type() const { return "!qnt.q<" + scheme + ">"; }
};

/// qlinear of one token of `k` numbers and one output; `input` is the type of its codes, or empty.
double product(const Weight &weight, const std::string &input, const Reals &x) {
  Program program;
  std::string shape = "tensor<1x" + std::to_string(x.size()) + "xf32>";
  std::string codes = "!qnt.q<[1, " + std::to_string(x.size()) + "], " + input + ">";
  std::string body = weight.text();
  if (!input.empty())
    body += "%q = qnt.quantize %x : (" + shape + ") -> " + codes + "\n";
  body += "%0 = qnt.qlinear " + std::string(input.empty() ? "%x" : "%q") + ", %w : (" +
          (input.empty() ? shape : codes) + ", " + weight.type() +
          ") -> tensor<1x1xf32>\n return %0 : tensor<1x1xf32>";
  program.body("%x: " + shape, "tensor<1x1xf32>", body);
  Reals out = program.input(x).run();
  return out.empty() ? NAN : out[0];
}

const char *token = "i8, token, scale f32";

} // namespace

TEST(Products, FullSumSubtractsTheInputsZeroPoint) {
  // Codes of 0 .. 255 under scale 1 are -128 .. 127 with zero point -128.
  Weight w{"dense<[[3, -2]]> : tensor<1x2xi8>", "dense<[0.5]> : tensor<1xf32>",
           "[1, 2], i8, axis 0, scale f32"};
  EXPECT_EQ(product(w, "i8, token, scale f32, zero i8", {255, 10}), (3 * 255 - 2 * 10) * 0.5);
  Weight one{"dense<[[3, -2]]> : tensor<1x2xi8>", "dense<[0.5]> : tensor<1xf32>",
             "[1, 2], i8, tensor, scale f32"};
  EXPECT_EQ(product(one, token, {127, 10}), (3 * 127 - 2 * 10) * 0.5);
}

TEST(Products, BlockSumsOfEveryKindOfInteger) {
  // A row is one block where scales go by rows.
  Weight three{"dense<[[3, -3, 1]]> : tensor<1x3xi8>", "dense<[2.0]> : tensor<1xf32>",
               "[1, 3], i3, axis 0, scale f32"};
  EXPECT_EQ(product(three, token, {127, 1, 2}), (3 * 127 - 3 + 2) * 2.0);
  Weight ternary{"dense<[[1, -1, 0]]> : tensor<1x3xi8>", "dense<[[2.0, 4.0]]> : tensor<1x2xf32>",
                 "[1, 3], ternary, block 1 x 2, scale f32"};
  EXPECT_EQ(product(ternary, token, {127, 1, 2}), 126 * 2.0);
  Weight binary{"dense<[[1, 0, 0]]> : tensor<1x3xui8>", "dense<[[2.0, 4.0]]> : tensor<1x2xf32>",
                "[1, 3], u1, block 1 x 2, scale f32, codebook #qnt.codebook<[-1.0, 1.0]>"};
  EXPECT_EQ(product(binary, token, {127, 1, 2}), 126 * 2.0 - 2 * 4.0);
  // 0.5, -6 and 3 of 4-bit floats are codes 1, 15 and 5.
  Weight mx{"dense<[[1, 15, 5]]> : tensor<1x3xui8>", "dense<[[2.0, 4.0]]> : tensor<1x2xf32>",
            "[1, 3], f4e2m1, block 1 x 2, scale f32"};
  EXPECT_EQ(product(mx, token, {127, 1, 2}), (127 * 0.5 - 6) * 2 + 2 * 3 * 4.0);
  Weight zeros{"dense<[[9, 7, 10]]> : tensor<1x3xui8>", "dense<[[0.5, 2.0]]> : tensor<1x2xf32>",
               "[1, 3], u4, block 1 x 2, scale f32, zero ui4", "dense<[[8, 7]]> : tensor<1x2xui8>"};
  EXPECT_EQ(product(zeros, token, {127, 1, 2}), (127 - 1) * 0.5 + 2 * 3 * 2.0);
}

TEST(Products, GroupsOfInputsScaleEachStep) {
  // Groups of two inputs: 127 at scale 1, then 254 at scale 2. The weight's block spans both.
  Weight w{"dense<[[1, 2, 3, 1]]> : tensor<1x4xi8>", "dense<[[0.5]]> : tensor<1x1xf32>",
           "[1, 4], i4, block 1 x 4, scale f32"};
  EXPECT_EQ(product(w, "i8, token, scale f32, group 2", {127, 1, 254, -2}),
            (127 + 2) * 0.5 + (3 * 127 - 1) * (0.5 * 2));
  // The other way round: a group of four inputs, blocks of two.
  Weight fine{"dense<[[1, 2, 3, 1]]> : tensor<1x4xi8>", "dense<[[0.5, 4.0]]> : tensor<1x2xf32>",
              "[1, 4], i4, block 1 x 2, scale f32"};
  EXPECT_EQ(product(fine, "i8, token, scale f32, group 4", {127, 1, 2, -2}),
            (127 + 2) * 0.5 + (3 * 2 - 2) * 4.0);
}

TEST(Products, FloatSumsFollowTheirOrder) {
  Reals x{0.1, -0.7, 3.3, 1e-3, 0.9};
  float v[] = {1.75f, -0.25f, 0.5f, 448, 2};
  Weight w{"dense<[[0x3E, 0xA8, 0x30, 0x7E, 0x40]]> : tensor<1x5xui8>",
           "dense<[[0.3, 0.7, 1.1]]> : tensor<1x3xf32>",
           "[1, 5], f8e4m3fn, block 1 x 2, scale f32"};
  float scales[] = {0.3f, 0.7f, 1.1f}, r = 0;
  for (int block = 0; block < 3; ++block) {
    float t = 0;
    for (int i = 2 * block; i < std::min(5, 2 * block + 2); ++i)
      t = std::fma(float(x[i]), v[i], t);
    r = std::fma(t, scales[block], r);
  }
  EXPECT_EQ(float(product(w, "", x)), r);
}

TEST(Products, FloatSumsOfCodesDequantizeThem) {
  Weight w{"dense<[[0, 3]]> : tensor<1x2xui8>", "dense<[2.0]> : tensor<1xf32>",
           "[1, 2], u2, axis 0, scale f32, codebook #qnt.codebook<[-0.3, 0.25, 1.0, 1.5]>"};
  float t = std::fma(2.0f, 1.5f, std::fma(127.0f, -0.3f, 0.0f));
  EXPECT_EQ(float(product(w, token, {127, 2})), t * 2.0f);
  Weight zeros{"dense<[[9, 7]]> : tensor<1x2xui8>", "dense<[[0.5]]> : tensor<1x1xf32>",
               "[1, 2], u4, block 1 x 2, scale f32, zero f32", "dense<[[7.5]]> : tensor<1x1xf32>"};
  EXPECT_EQ(product(zeros, token, {127, 2}), (127 * 1.5 - 2 * 0.5) * 0.5);
}

TEST(Products, ScaledFloatSumsMultiplyNumbersOfCodes) {
  Weight w{"dense<[[0x3E, 0xA8, 0x30]]> : tensor<1x3xui8>", "dense<[0.3]> : tensor<1xf32>",
           "[1, 3], f8e4m3fn, axis 0, scale f32"};
  // The largest number is 448 steps. 25 lies between 24 and 26 at the same distance, 0.001 is half
  // of the smallest number.
  float t = std::fma(-448.0f, 1.75f, 0.0f);
  t = std::fma(24.0f, -0.25f, t);
  float scale = 896.0f / 448;
  EXPECT_EQ(float(product(w, "f8e4m3fn, token, scale f32", {-896, 50, 0.0009765625 * 2})),
            t * 0.3f * scale);
  EXPECT_EQ(product(w, "f8e4m3fn, token, scale f32", {0, 0, 0}), 0);
}

TEST(Products, WideSumsTakeBlocksOf256) {
  Weight w{"dense<1> : tensor<1x300xi8>", "dense<[0.5]> : tensor<1xf32>",
           "[1, 300], i8, axis 0, scale f32"};
  // Each block's sum is rounded to f32 on its own: 256 * 32639 has 23 bits, so nothing is lost.
  Reals x(300, 32639);
  EXPECT_EQ(product(w, "i16, token, scale f32", x), 300 * 32639 * 0.5);
  x[0] = 65278; // scale 2: all others are 16319.5, which ties to even
  EXPECT_EQ(product(w, "i16, token, scale f32", x), (32639 + 299.0 * 16320) * 0.5 * 2);
}

TEST(Products, WideCodesReachTheirBound) {
  Program program;
  program.body("%x: tensor<1x2xf32>", "tensor<1x2xf32>",
               "%q = qnt.quantize %x : (tensor<1x2xf32>) -> !qnt.q<[1, 2], i16, token, scale f32>\n"
               "%0 = qnt.dequantize %q : (!qnt.q<[1, 2], i16, token, scale f32>) -> "
               "tensor<1x2xf32>\n return %0 : tensor<1x2xf32>");
  EXPECT_EQ(program.input({-32639, 1.6}).run(), (Reals{-32639, 2}));
}

TEST(Products, StaticCodesClampToTheirRange) {
  auto run = [](const std::string &scheme, const std::string &attributes) {
    Program program;
    std::string type = "!qnt.q<[1, 4], " + scheme + ">";
    program.body("%x: tensor<1x4xf32>", "tensor<1x4xf32>",
                 "%q = qnt.quantize_static %x {" + attributes + "} : (tensor<1x4xf32>) -> " + type +
                     "\n%0 = qnt.dequantize %q : (" + type +
                     ") -> tensor<1x4xf32>\n return %0 : tensor<1x4xf32>");
    return program.input({-100, 100, 1.25, -0.3}).run();
  };
  EXPECT_EQ(run(token, "scale = 0.5 : f32"), (Reals{-63.5, 63.5, 1, -0.5}));
  EXPECT_EQ(run("i8, token, scale f32, zero i8", "scale = 0.5 : f32, zero = -28 : i64"),
            (Reals{-50, 77.5, 1, -0.5}));
  EXPECT_EQ(run("f8e4m3fn, token, scale f32", "scale = 0.125 : f32"),
            (Reals{-56, 56, 1.25, -0.3125}));
}
