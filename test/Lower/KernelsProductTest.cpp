// Products of activations and convolutions, against the interpreter.
#include "KernelHarness.h"

using namespace qcc;
using namespace qcc::lower::test;

namespace {

TEST(KernelsProduct, MultipliesBatches) {
  for (bool transposed : {false, true})
    for (std::string type : {"f32", "f16", "f64", "i32", "i64", "i8"}) {
      std::string x = "tensor<3x1x?x?x" + type + ", #qnt.dims<[3, 1, d0, d1]>>";
      std::string y = transposed ? "tensor<2x?x?x" + type + ", #qnt.dims<[2, d2, d1]>>"
                                 : "tensor<2x?x?x" + type + ", #qnt.dims<[2, d1, d2]>>";
      std::string out = "tensor<3x2x?x?x" + type + ", #qnt.dims<[3, 2, d0, d2]>>";
      KernelHarness product(
          "qnt.kernel @k \"matmul\" dims 3 { ^bb0(%x: " + x + ", %y: " + y +
          "): %0 = qnt.matmul %x, %y {transposeY = " + (transposed ? "true" : "false") + "} : (" +
          x + ", " + y + ") -> " + out + " qnt.yield %0 : " + out + " }");
      double tolerance = type == "f16" ? 2e-3 : 1e-6;
      for (auto dims :
           {Dims{1, 64, 40}, Dims{19, 17, 33}, Dims{130, 3, 1}, Dims{5, 0, 16}, Dims{8, 1, 70}})
        product.check(dims, product.randomInputs(dims), tolerance);
    }
}

/// A convolution with spatial sizes d0, d1.
void checkConv(const std::string &channels, const std::string &out, const std::string &kernel,
               const std::string &outSpace, const std::string &attributes,
               const std::string &perGroup, llvm::ArrayRef<int64_t> dims, bool bias = true) {
  std::string x = "tensor<2x" + channels + "x?x?xf32, #qnt.dims<[2, " + channels + ", d0, d1]>>";
  std::string w = "tensor<" + out + "x" + perGroup + "x" + kernel + "xf32>";
  std::string b = "tensor<" + out + "xf32>";
  std::string y = "tensor<2x" + out + "x?x?xf32, #qnt.dims<[2, " + out + ", " + outSpace + "]>>";
  KernelHarness conv("qnt.kernel @k \"conv\" dims 2 { ^bb0(%x: " + x + ", %w: " + w +
                     (bias ? ", %b: " + b : "") + "): %0 = qnt.conv %x, %w" + (bias ? ", %b" : "") +
                     " {" + attributes + "} : (" + x + ", " + w + (bias ? ", " + b : "") + ") -> " +
                     y + " qnt.yield %0 : " + y + " }");
  conv.check(dims, conv.randomInputs(dims), 1e-5);
}

TEST(KernelsProduct, Convolves) {
  checkConv(
      "3", "20", "3x3", "d0, d1",
      "strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>",
      "3", {9, 11});
  // Patches.
  checkConv(
      "3", "33", "4x4", "floordiv(d0, 4), floordiv(d1, 4)",
      "strides = array<i64: 4, 4>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>",
      "3", {24, 28}, false);
  // Depth-wise, dilated, uneven padding.
  checkConv(
      "6", "12", "2x3", "d0 + 1, d1 - 2",
      "strides = array<i64: 1, 1>, dilations = array<i64: 2, 2>, pads = array<i64: 3, 0, 0, 2>, "
      "groups = 6 : i64",
      "1", {7, 8});
  KernelHarness one(R"(qnt.kernel @k "conv" dims 1 {
    ^bb0(%x: tensor<1x5x?xf32, #qnt.dims<[1, 5, d0]>>, %w: tensor<7x5x3xf32>):
      %0 = qnt.conv %x, %w {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 1>}
        : (tensor<1x5x?xf32, #qnt.dims<[1, 5, d0]>>, tensor<7x5x3xf32>)
        -> tensor<1x7x?xf32, #qnt.dims<[1, 7, floordiv(d0 - 1, 2) + 1]>>
      qnt.yield %0 : tensor<1x7x?xf32, #qnt.dims<[1, 7, floordiv(d0 - 1, 2) + 1]>> })");
  for (int64_t n : {1, 64, 99})
    one.check({n}, one.randomInputs({n}), 1e-5);
}

} // namespace
