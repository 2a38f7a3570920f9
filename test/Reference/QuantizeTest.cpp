// Quantization and the products on codes, bit for bit.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference;
using namespace qcc::reference::test;

namespace {
/// quantize, then dequantize, under a scheme.
Reals roundTrip(const std::string &scheme, const std::string &shape, const Reals &x) {
  Program program;
  std::string tensor = "tensor<" + shape + "xf32>";
  program.body("%x: " + tensor, tensor,
               "%0 = qnt.quantize %x : (" + tensor + ") -> !qnt.q<" + scheme +
                   ">\n%1 = qnt.dequantize %0 : (!qnt.q<" + scheme + ">) -> " + tensor +
                   "\n return %1 : " + tensor);
  return program.input(x).run();
}

std::shared_ptr<const QTensor> codes(const std::string &scheme, const std::string &shape,
                                     const Reals &x) {
  Program program;
  std::string tensor = "tensor<" + shape + "xf32>";
  program.body("%x: " + tensor, tensor,
               "%0 = qnt.quantize %x : (" + tensor + ") -> !qnt.q<" + scheme +
                   ">\n return %x : " + tensor);
  program.input(x);
  std::shared_ptr<const QTensor> seen;
  program.environment.observe = [&](mlir::Operation *, llvm::ArrayRef<RtValue> results) {
    seen = std::get<std::shared_ptr<const QTensor>>(results[0]);
  };
  EXPECT_FALSE(program.run().empty());
  return seen;
}
} // namespace

TEST(Quantize, SymmetricPerAxis) {
  auto q = codes("[2, 2], i8, axis 0, scale f32", "2x2", {127, -63.5, 0, 0});
  EXPECT_EQ(q->scales, (std::vector<float>{1, 0}));
  EXPECT_EQ(q->codes, (std::vector<int32_t>{127, -64, 0, 0})); // -63.5 ties to even
  EXPECT_EQ(roundTrip("[2], i4, tensor, scale f32", "2", {7, -3.4}), (Reals{7, -3}));
}

TEST(Quantize, BlocksWithZeroPointsAndARaggedTail) {
  auto q = codes("[1, 3], u4, block 1 x 2, scale f32, zero ui4", "1x3", {-5, 10, 3});
  EXPECT_EQ(q->scales, (std::vector<float>{1, 3.0f / 15}));
  EXPECT_EQ(q->zeros, (std::vector<float>{5, 0}));
  EXPECT_EQ(q->codes, (std::vector<int32_t>{0, 15, 15}));
}

TEST(Quantize, BlocksAlongTheFirstAxis) {
  auto q = codes("[2, 2], i8, block 0 x 2, scale f32", "2x2", {127, 1, 0, 254});
  EXPECT_EQ(q->scales, (std::vector<float>{1, 2}));
  EXPECT_EQ(q->codes, (std::vector<int32_t>{127, 0, 0, 127}));
}

TEST(Quantize, ScalesRoundToTheirTypeFirst) {
  auto q = codes("[1], i8, tensor, scale f16", "1", {100});
  float scale = float(_Float16(100.0f / 127));
  EXPECT_EQ(q->scales[0], scale);
  EXPECT_EQ(q->codes[0], int32_t(std::nearbyint(100 / scale)));
}

TEST(Quantize, TokensMultiplyByTheInverse) {
  Reals x{0.3, 0.7, -0.1};
  auto q = codes("[1, 3], i8, token, scale f32", "1x3", x);
  float scale = float(0.7) / 127;
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(q->codes[i], int32_t(std::nearbyint(float(x[i]) * (1 / scale))));
}

namespace {
std::string assemble(const std::string &codes, const std::string &scale, const std::string &zero,
                     const std::string &scheme) {
  std::string text = "%c = qnt.constant " + codes + "\n%s = qnt.constant " + scale + "\n";
  auto type = [](const std::string &constant) { return constant.substr(constant.find(" : ") + 3); };
  if (!zero.empty())
    text += "%z = qnt.constant " + zero + "\n";
  return text + "%w = qnt.assemble %c, %s" + (zero.empty() ? "" : ", %z") + " : (" + type(codes) +
         ", " + type(scale) + (zero.empty() ? "" : ", " + type(zero)) + ") -> !qnt.q<" + scheme +
         ">\n";
}
} // namespace

TEST(Quantize, AssembleUnpacksLowBitsFirst) {
  Program program;
  std::string scheme = "[1, 4], u4, block 1 x 2, scale f32, zero ui4";
  // 0x21 holds 1 then 2; zero points 8 and 0.
  program.body("", "tensor<1x4xf32>",
               assemble("dense<[[33, 67]]> : tensor<1x2xui8>",
                        "dense<[[1.0, 0.5]]> : tensor<1x2xf32>", "dense<[8]> : tensor<1xui8>",
                        scheme) +
                   "%0 = qnt.dequantize %w : (!qnt.q<" + scheme +
                   ">) -> tensor<1x4xf32>\n return %0 : tensor<1x4xf32>");
  EXPECT_EQ(program.run(), (Reals{-7, -6, 1.5, 2}));
}

TEST(Quantize, QLinearPerAxis) {
  Program program;
  std::string scheme = "[2, 2], i8, axis 0, scale f32";
  program.body(
      "%x: tensor<1x2xf32>", "tensor<1x2xf32>",
      assemble("dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>", "dense<[0.5, 2.0]> : tensor<2xf32>", "",
               scheme) +
          "%b = qnt.constant dense<[100.0, 200.0]> : tensor<2xf32>\n"
          "%q = qnt.quantize %x : (tensor<1x2xf32>) -> !qnt.q<[1, 2], i8, token, scale f32>\n"
          "%0 = qnt.qlinear %q, %w, %b : (!qnt.q<[1, 2], i8, token, scale f32>, !qnt.q<" +
          scheme + ">, tensor<2xf32>) -> tensor<1x2xf32>\n return %0 : tensor<1x2xf32>");
  // Codes 127 and -64 at scale 1.
  EXPECT_EQ(program.input({127, -64}).run(),
            (Reals{(127 - 128) * 0.5 + 100, (381 + 256) * 2 + 200}));
}

TEST(Quantize, QLinearInBlocks) {
  Program program;
  std::string scheme = "[1, 3], u4, block 1 x 2, scale f32, zero ui4";
  program.body(
      "%x: tensor<1x3xf32>", "tensor<1x1xf32>",
      assemble("dense<[[9, 7, 10]]> : tensor<1x3xui8>", "dense<[[0.5, 2.0]]> : tensor<1x2xf32>",
               "dense<[[8, 8]]> : tensor<1x2xui8>", scheme) +
          "%q = qnt.quantize %x : (tensor<1x3xf32>) -> !qnt.q<[1, 3], i8, token, scale f32>\n"
          "%0 = qnt.qlinear %q, %w : (!qnt.q<[1, 3], i8, token, scale f32>, !qnt.q<" +
          scheme + ">) -> tensor<1x1xf32>\n return %0 : tensor<1x1xf32>");
  EXPECT_EQ(program.input({254, 2, 4}).run(), (Reals{2 * ((127 - 1) * 0.5 + (2 * 2) * 2.0)}));
}

TEST(Quantize, QGatherAndPack) {
  Program gather;
  std::string scheme = "[2, 2], i8, axis 0, scale f32";
  gather.body("%i: tensor<2xi64>", "tensor<2x2xf32>",
              assemble("dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>",
                       "dense<[0.5, 2.0]> : tensor<2xf32>", "", scheme) +
                  "%0 = qnt.qgather %w, %i : (!qnt.q<" + scheme +
                  ">, tensor<2xi64>) -> tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  EXPECT_EQ(gather.input({1, 0}).run(), (Reals{6, -8, 0.5, 1}));
  Program pack;
  std::string packed = "[2, 2], i8, axis 0, scale f32, layout panel16_k4";
  pack.body("", "tensor<2x2xf32>",
            assemble("dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>",
                     "dense<[0.5, 2.0]> : tensor<2xf32>", "", scheme) +
                "%p = qnt.pack %w : (!qnt.q<" + scheme + ">) -> !qnt.q<" + packed +
                ">\n%0 = qnt.dequantize %p : (!qnt.q<" + packed +
                ">) -> tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  EXPECT_EQ(pack.run(), (Reals{0.5, 1, 6, -8}));
}

TEST(Quantize, PartsThatDoNotFit) {
  Program program;
  std::string scheme = "[2, 2], i8, axis 0, scale f32";
  program.body("", "tensor<2x2xf32>",
               assemble("dense<[[1, 2], [3, -4]]> : tensor<2x2xi8>", "dense<[0.5]> : tensor<1xf32>",
                        "", scheme) +
                   "%0 = qnt.dequantize %w : (!qnt.q<" + scheme +
                   ">) -> tensor<2x2xf32>\n return %0 : tensor<2x2xf32>");
  EXPECT_NE(program.fault().find("QCC1860"), std::string::npos);
}

TEST(Quantize, RealZeroPointsAreNotRounded) {
  auto q = codes("[1, 3], u4, block 1 x 4, scale f32, zero f32", "1x3", {-1, 2.75, 0.1});
  EXPECT_EQ(q->scales, (std::vector<float>{0.25}));
  EXPECT_EQ(q->zeros, (std::vector<float>{4}));
  auto odd = codes("[1, 3], u4, block 1 x 4, scale f32, zero f32", "1x3", {-1.125, 2.625, 0});
  EXPECT_EQ(odd->zeros, (std::vector<float>{4.5}));
  EXPECT_EQ(odd->codes, (std::vector<int32_t>{0, 15, 4})); // 4.5 ties to even
}
