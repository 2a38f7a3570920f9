// Kernels that walk an axis, and interpolation, against the interpreter.
#include "KernelHarness.h"
#include <cmath>

using namespace qcc;
using namespace qcc::lower::test;

namespace {

Tensor floats(llvm::ArrayRef<int64_t> dims, llvm::ArrayRef<double> values) {
  return Tensor::of(mlir::Float32Type::get(&testContext()), dims, values);
}

TEST(KernelsSearch, FindsExtremes) {
  for (std::string axis : {"0", "1"})
    for (std::string type : {"f32", "i32", "ui64", "i1", "f16"})
      for (std::string flags : {"", ", minimum = true", ", selectLast = true"}) {
        std::string out =
            axis == "0" ? "tensor<?xi64, #qnt.dims<[d1]>>" : "tensor<?xi64, #qnt.dims<[d0]>>";
        std::string x = "tensor<?x?x" + type + ", #qnt.dims<[d0, d1]>>";
        KernelHarness arg("qnt.kernel @k \"arg_reduce\" dims 2 { ^bb0(%x: " + x +
                          "): %0 = qnt.arg_reduce %x {axis = " + axis + " : i64, keepDims = false" +
                          flags + "} : (" + x + ") -> " + out + " qnt.yield %0 : " + out + " }");
        arg.check({9, 70}, arg.randomInputs({9, 70}));
        if (type == "f32" && axis == "1") {
          std::vector<double> row = {1, 5, NAN, 5, NAN, -INFINITY};
          arg.check({1, 6}, {floats({1, 6}, row)});
          arg.checkFault({2, 0}, arg.randomInputs({2, 0}), QCC_FAULT_SHAPE);
        }
      }
}

TEST(KernelsSearch, SumsAlong) {
  for (std::string axis : {"0", "1", "2"})
    for (std::string type : {"f32", "i64", "f64"})
      for (std::string flags : {"", ", exclusive = true", ", reverse = true"}) {
        std::string x = "tensor<3x?x4x" + type + ", #qnt.dims<[3, d0, 4]>>";
        KernelHarness sum("qnt.kernel @k \"cum_sum\" dims 1 { ^bb0(%x: " + x +
                          "): %0 = qnt.cum_sum %x {axis = " + axis + " : i64" + flags + "} : (" +
                          x + ") -> " + x + " qnt.yield %0 : " + x + " }");
        sum.check({33}, sum.randomInputs({33}));
      }
}

TEST(KernelsSearch, SortsTheBest) {
  for (std::string largest : {"true", "false"})
    for (std::string type : {"f32", "i32", "ui8"}) {
      std::string x = "tensor<?x?x2x" + type + ", #qnt.dims<[d0, d1, 2]>>";
      std::string v = "tensor<?x?x2x" + type + ", #qnt.dims<[d0, d2, 2]>>";
      std::string i = "tensor<?x?x2xi64, #qnt.dims<[d0, d2, 2]>>";
      KernelHarness top("qnt.kernel @k \"top_k\" dims 3 { ^bb0(%x: " + x +
                        "): %v, %i = qnt.top_k %x {axis = 1 : i64, largest = " + largest + "} : (" +
                        x + ") -> (" + v + ", " + i + ") qnt.yield %v, %i : " + v + ", " + i +
                        " }");
      for (auto dims :
           {Dims{3, 100, 5}, Dims{2, 64, 64}, Dims{1, 7, 1}, Dims{4, 3, 2}, Dims{2, 5, 0}})
        top.check(dims, top.randomInputs(dims));
      top.checkFault({1, 3, 4}, top.randomInputs({1, 3, 4}), QCC_FAULT_SHAPE);
    }
  // Only the indices, with equal values and NaN.
  KernelHarness indices(R"(qnt.kernel @k "top_k" dims 0 { ^bb0(%x: tensor<8xf32>):
    %v, %i = qnt.top_k %x {axis = 0 : i64} : (tensor<8xf32>) -> (tensor<6xf32>, tensor<6xi64>)
    qnt.yield %i : tensor<6xi64> })");
  indices.check({}, {floats({8}, {2, NAN, 2, INFINITY, 2, -1, NAN, 0})});
}

TEST(KernelsSearch, FindsNonZeros) {
  KernelHarness find(R"(qnt.kernel @k "non_zero" dims 2 {
    ^bb0(%x: tensor<4x?xf32, #qnt.dims<[4, d0]>>):
      %0 = qnt.non_zero %x {symbol = "d1"} : (tensor<4x?xf32, #qnt.dims<[4, d0]>>)
        -> tensor<2x?xi64, #qnt.dims<[2, d1]>>
      qnt.yield %0 : tensor<2x?xi64, #qnt.dims<[2, d1]>> })");
  KernelHarness count(R"(qnt.kernel @k "non_zero_count" dims 1 {
    ^bb0(%x: tensor<4x?xf32, #qnt.dims<[4, d0]>>):
      %0 = qnt.non_zero_count %x : (tensor<4x?xf32, #qnt.dims<[4, d0]>>) -> tensor<i64>
      qnt.yield %0 : tensor<i64> })");
  Tensor x = floats({4, 3}, {0, 1, -0.0, NAN, 0, 0, 0, 0, 0, 2, 3, 0});
  find.check({3, 4}, {x});
  find.checkFault({3, 3}, {x}, QCC_FAULT_SHAPE);
  count.check({3}, {x});
}

void checkResize(const std::string &mode, const std::string &coordinates,
                 const std::string &nearest, const std::string &scales, const std::string &outDims,
                 llvm::ArrayRef<int64_t> dims, const std::string &more = "") {
  std::string x = "tensor<2x?x?xf32, #qnt.dims<[2, d0, d1]>>";
  std::string out = "tensor<2x?x?xf32, #qnt.dims<[2, " + outDims + "]>>";
  KernelHarness resize("qnt.kernel @k \"resize\" dims 2 { ^bb0(%x: " + x +
                       "): %0 = qnt.resize %x {mode = \"" + mode + "\", coordinates = \"" +
                       coordinates + "\", nearest = \"" + nearest +
                       "\", scales = array<f64: 1.0, " + scales + ">" + more + "} : (" + x +
                       ") -> " + out + " qnt.yield %0 : " + out + " }");
  resize.check(dims, resize.randomInputs(dims), 1e-6);
}

TEST(KernelsSearch, Interpolates) {
  for (std::string mode : {"nearest", "linear", "cubic"})
    for (std::string coordinates : {"half_pixel", "pytorch_half_pixel", "asymmetric",
                                    "align_corners", "half_pixel_symmetric"}) {
      checkResize(mode, coordinates, "round_prefer_floor", "2.0, 2.0", "d0 * 2, d1 * 2", {3, 5});
      checkResize(mode, coordinates, "floor", "0.5, 1.5", "floordiv(d0, 2), floordiv(d1 * 3, 2)",
                  {8, 6});
    }
  for (std::string nearest : {"round_prefer_ceil", "ceil"})
    checkResize("nearest", "half_pixel", nearest, "1.5, 3.0", "floordiv(d0 * 3, 2), d1 * 3",
                {4, 2});
  checkResize("cubic", "half_pixel", "floor", "1.0, 3.0", "d0, d1 * 3", {2, 5},
              ", excludeOutside = true, cubicCoefficient = -0.5");
}

TEST(KernelsSearch, RefusesWhatHasNoCode) {
  KernelHarness resize(R"(qnt.kernel @k "resize" dims 0 { ^bb0(%x: tensor<4xf32>):
    %0 = qnt.resize %x {mode = "linear", coordinates = "tf_crop_and_resize", nearest = "floor",
                        scales = array<f64: 2.0>} : (tensor<4xf32>) -> tensor<8xf32>
    qnt.yield %0 : tensor<8xf32> })");
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&testContext(), [&](mlir::Diagnostic &diagnostic) {
    message = diagnostic.str();
    return mlir::success();
  });
  mlir::OwningOpRef<mlir::ModuleOp> module =
      mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
  KernelBuilder k(*module, "kernel", *hostLevels()[0]);
  lower::KernelFrame frame(k, resize.kernel());
  EXPECT_TRUE(failed(lower::emitResize(frame)));
  EXPECT_NE(message.find("QCC1651: coordinate transformation 'tf_crop_and_resize'"),
            std::string::npos)
      << message;
}

} // namespace
