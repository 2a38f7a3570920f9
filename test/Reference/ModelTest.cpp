// Contractions, normalisations, rotary embedding and attention.
#include "Evaluate.h"
#include <cmath>

using namespace qcc::reference::test;

TEST(Model, Matmul) {
  EXPECT_EQ(
      binary("matmul %x, %y", "2x2xf32", "2x3xf32", "2x3xf32", {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6}),
      (Reals{9, 12, 15, 19, 26, 33}));
  EXPECT_EQ(binary("matmul %x, %y {transposeY = true}", "1x2xf32", "3x2xf32", "1x3xf32", {1, 2},
                   {1, 4, 2, 5, 3, 6}),
            (Reals{9, 12, 15}));
  EXPECT_EQ(binary("matmul %x, %y", "2x1x2xi32", "2x1xi32", "2x1x1xi32", {1, 2, 3, 4}, {10, 1}),
            (Reals{12, 34}));
  // Each step is fused: 1 + 2^-12 squared keeps its last bit until the sum cancels the rest.
  double e = 0x1p-12;
  EXPECT_EQ(
      binary("matmul %x, %y", "1x2xf32", "2x1xf32", "1x1xf32", {-(1 + 2 * e), 1 + e}, {1, 1 + e}),
      (Reals{e * e}));
}

TEST(Model, Linear) {
  Program program;
  program.body("%x: tensor<1x2xf32>, %w: tensor<3x2xf32>, %b: tensor<3xf32>", "tensor<1x3xf32>",
               "%0 = qnt.linear %x, %w, %b : (tensor<1x2xf32>, tensor<3x2xf32>, tensor<3xf32>) -> "
               "tensor<1x3xf32>\n return %0 : tensor<1x3xf32>");
  EXPECT_EQ(program.input({1, 2}).input({1, 0, 0, 1, 1, 1}).input({10, 20, 30}).run(),
            (Reals{11, 22, 33}));
}

/// Both operands are rounded, ties to even. The second of a pair comes first, so that the 1 meets
/// nothing large, and an odd last product has no partner.
TEST(Model, LinearInPairsOfBfloat) {
  Program program;
  program.body("%x: tensor<2x5xf32>, %w: tensor<1x5xf32>", "tensor<2x1xf32>",
               "%0 = qnt.linear %x, %w {products = #qnt<storage bf16>} : (tensor<2x5xf32>, "
               "tensor<1x5xf32>) -> tensor<2x1xf32>\n return %0 : tensor<2x1xf32>");
  double tie = 1 + 0x1p-8, up = 1 + 0x3p-8, large = 0x1p24;
  program.input({tie, up, 0, 0, 0, large, 0, 1, -large, 0.5});
  EXPECT_EQ(program.input({1, 1, 1, 1, tie}).run(), (Reals{2 + 0x1p-6, 1.5}));
}

TEST(Model, Conv) {
  EXPECT_EQ(
      binary(
          "conv %x, %y {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, "
          "1>}",
          "1x1x3xf32", "1x1x3xf32", "1x1x3xf32", {1, 2, 3}, {1, 10, 100}),
      (Reals{210, 321, 32}));
  EXPECT_EQ(binary("conv %x, %y {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = "
                   "array<i64: 0, 0, 0, 0>}",
                   "1x1x4x2xf32", "1x1x2x2xf32", "1x1x2x1xf32", {1, 2, 3, 4, 5, 6, 7, 8},
                   {1, 1, 1, 1}),
            (Reals{10, 26}));
  EXPECT_EQ(
      binary(
          "conv %x, %y {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, "
          "0>, groups = 2 : i64}",
          "1x2x2xf32", "2x1x1xf32", "1x2x2xf32", {1, 2, 3, 4}, {10, 100}),
      (Reals{10, 20, 300, 400}));
}

TEST(Model, Softmax) {
  expectNear(unary("softmax %x", "2x2xf32", "2x2xf32", {0, 0, 0, std::log(3.0)}),
             {0.5, 0.5, 0.25, 0.75});
  expectNear(unary("softmax %x {log = true}", "1x2xf32", "1x2xf32", {0, 0}),
             {-std::log(2.0), -std::log(2.0)});
  expectNear(unary("softmax %x", "2xf32", "2xf32", {-INFINITY, -INFINITY}), {NAN, NAN});
}

TEST(Model, Norms) {
  Program layer;
  layer.body("%x: tensor<1x2xf32>, %g: tensor<2xf32>, %b: tensor<2xf32>", "tensor<1x2xf32>",
             "%0 = qnt.layer_norm %x gain %g bias %b {epsilon = 0.0} : (tensor<1x2xf32>, "
             "tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>\n return %0 : tensor<1x2xf32>");
  expectNear(layer.input({1, 3}).input({2, 3}).input({10, 20}).run(), {8, 23});
  expectNear(unary("layer_norm %x {epsilon = 3.0}", "2xf32", "2xf32", {1, 3}), {-0.5, 0.5});
  expectNear(binary("rms_norm %x, %y {epsilon = 0.0}", "2xf32", "2xf32", "2xf32", {1, 7}, {5, 10}),
             {1, 14});
}

TEST(Model, Rope) {
  auto rope = [](const std::string &attributes) {
    Program program;
    program.body("%x: tensor<1x5xf32>, %c: tensor<2xf32>, %s: tensor<2xf32>", "tensor<1x5xf32>",
                 "%0 = qnt.rope %x, %c, %s" + attributes +
                     " : (tensor<1x5xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x5xf32>\n"
                     " return %0 : tensor<1x5xf32>");
    return program.input({1, 2, 3, 4, 5}).input({2, 3}).input({10, 100}).run();
  };
  EXPECT_EQ(rope(""), (Reals{2 - 30, 6 - 400, 6 + 10, 12 + 200, 5}));
  EXPECT_EQ(rope(" {interleaved = true}"), (Reals{2 - 20, 4 + 10, 9 - 400, 12 + 300, 5}));
}

namespace {
/// Attention with query [1, 2, 2, 1], key and value [1, 1, 3, 1] of scores q * k.
Reals attend(const std::string &attributes, const std::string &mask, const Reals &maskValues) {
  Program program;
  bool masked = !mask.empty();
  std::string q = "tensor<1x2x2x1xf32>", k = "tensor<1x1x3x1xf32>";
  program.body("%q: " + q + ", %k: " + k + ", %v: " + k + (masked ? ", %m: " + mask : ""), q,
               "%0 = qnt.attention %q, %k, %v" + std::string(masked ? ", %m" : "") +
                   " {scale = 0.0" + attributes + "} : (" + q + ", " + k + ", " + k +
                   (masked ? ", " + mask : "") + ") -> " + q + "\n return %0 : " + q);
  program.input({1, 1, 1, 1}).input({1, 2, 3}).input({3, 6, 12});
  if (masked)
    program.input(maskValues);
  return program.run();
}
} // namespace

TEST(Model, AttentionMasks) {
  expectNear(attend("", "", {}), {7, 7, 7, 7});
  expectNear(attend(", causal = true", "", {}), {4.5, 7, 4.5, 7});
  expectNear(attend(", causal = true, window = 2 : i64", "", {}), {4.5, 9, 4.5, 9});
  expectNear(attend("", "tensor<1x2x1x3xi1>", {1, 0, 0, 0, 0, 1}), {3, 3, 12, 12});
  expectNear(attend("", "tensor<3xf32>", {-INFINITY, 0, std::log(2.0)}), {10, 10, 10, 10});
  expectNear(attend("", "tensor<3xi1>", {0, 0, 0}), {NAN, NAN, NAN, NAN});
  expectNear(attend(", safe = true", "tensor<3xi1>", {0, 0, 0}), {0, 0, 0, 0});
}

TEST(Model, AttentionScaleAndSoftcap) {
  Program program;
  std::string q = "tensor<1x1x1x2xf32>", k = "tensor<1x1x2x2xf32>";
  program.body("%q: " + q + ", %k: " + k + ", %v: " + k, q,
               "%0 = qnt.attention %q, %k, %v {scale = 0.5, softcap = 2.0} : (" + q + ", " + k +
                   ", " + k + ") -> " + q + "\n return %0 : " + q);
  double a = 2 * std::tanh(0.5 * 11 / 2), b = 2 * std::tanh(0.5 * -1 / 2);
  double w = 1 / (1 + std::exp(b - a));
  expectNear(program.input({1, 2}).input({3, 4, 1, -1}).input({1, 0, 0, 1}).run(), {w, 1 - w});
}

TEST(Model, Caches) {
  Program program;
  std::string rows = "tensor<1x2x1x1xf32>", all = "tensor<1x2x2x1xf32>",
              past = "!qnt.kv<[1, 2, 1, 1], f32>", kv = "!qnt.kv<[1, 2, 2, 1], f32>";
  program.body("%p: " + rows + ", %r: " + rows, all,
               "%c = qnt.kv_begin %p {output = 0 : i64} : (" + rows + ") -> " + past +
                   "\n%0 = qnt.kv_append %c, %r : (" + past + ", " + rows + ") -> " + kv +
                   "\n%1 = qnt.kv_result %0 : (" + kv + ") -> " + all + "\n return %1 : " + all);
  EXPECT_EQ(program.input({1, 2}).input({3, 4}).run(), (Reals{1, 3, 2, 4}));
}
