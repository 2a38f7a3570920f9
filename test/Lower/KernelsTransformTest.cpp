// Rotations at run time, and side paths of outliers, against the interpreter.
#include "KernelHarness.h"

using namespace qcc;
using namespace qcc::lower::test;

namespace {

std::string hadamard(int64_t channels, int64_t block, const std::string &more,
                     const std::string &type = "f32") {
  std::string x = "tensor<?x" + std::to_string(channels) + "x" + type + ", #qnt.dims<[d0, " +
                  std::to_string(channels) + "]>>";
  return "qnt.kernel @k \"hadamard\" dims 1 { ^bb0(%x: " + x +
         "): %0 = qnt.hadamard %x {axis = 1 : i64, block = " + std::to_string(block) + " : i64" +
         more + "} : (" + x + ") -> " + x + " qnt.yield %0 : " + x + " }";
}

TEST(KernelsTransform, RotatesRows) {
  // Powers of two below, at and above a vector; bases of Paley with short and long runs.
  struct Case {
    int64_t channels, block;
  };
  for (Case c : {Case{8, 8},
                 {12, 4},
                 {16, 16},
                 {128, 128},
                 {1536, 512},
                 {24, 24},
                 {48, 48},
                 {36, 36},
                 {192, 192},
                 {120, 40},
                 {640, 320},
                 {152, 152},
                 {7, 1}})
    for (std::string more : {"", ", seed = 77 : i64", ", seed = 77 : i64, inverse = true"}) {
      KernelHarness rows(hadamard(c.channels, c.block, more));
      for (int64_t n : {0, 1, 5})
        rows.check({n}, rows.randomInputs({n}), 0);
    }
}

TEST(KernelsTransform, RotatesRowsOf16Bits) {
  for (std::string type : {"f16", "bf16"}) {
    KernelHarness rows(hadamard(96, 96, ", seed = 3 : i64", type));
    rows.check({3}, rows.randomInputs({3}), 0);
  }
}

TEST(KernelsTransform, AddsFewElements) {
  for (std::string columns : {"5", "5x40"})
    for (std::string type : {"f32", "f16", "bf16"}) {
      std::string x = "tensor<?x24xf32, #qnt.dims<[d0, 24]>>";
      std::string w = "tensor<5x40x" + type + ">", at = "tensor<" + columns + "xi32>";
      std::string y = "tensor<?x40xf32, #qnt.dims<[d0, 40]>>";
      KernelHarness sparse("qnt.kernel @k \"sparse_linear\" dims 1 { ^bb0(%x: " + x + ", %w: " + w +
                           ", %c: " + at + "): %0 = qnt.sparse_linear %x, %w, %c : (" + x + ", " +
                           w + ", " + at + ") -> " + y + " qnt.yield %0 : " + y + " }");
      bool shared = columns == "5";
      std::vector<double> indices;
      for (int64_t i = 0; i < (shared ? 5 : 200); ++i)
        indices.push_back(static_cast<double>(i * 7 % 24));
      auto element = mlir::IntegerType::get(sparse.kernel().getContext(), 32);
      Tensor list = Tensor::of(element, shared ? Dims{5} : Dims{5, 40}, indices);
      for (int64_t n : {0, 1, 9})
        sparse.check({n}, sparse.randomInputs({n}, {{2, list}}), 0);
    }
}

} // namespace
