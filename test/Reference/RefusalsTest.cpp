// What the interpreter refuses at run time, each by its own message.
#include "Evaluate.h"
#include "llvm/Support/FileSystem.h"
#include <fstream>

using namespace qcc::reference;
using namespace qcc::reference::test;

namespace {

void expectFault(Program &program, const std::string &code, const std::string &text) {
  std::string fault = program.fault();
  EXPECT_NE(fault.find(code), std::string::npos) << fault;
  EXPECT_NE(fault.find(text), std::string::npos) << fault;
}

const std::string symbols = "#qnt.symbol<\"b\", input = 0, axis = 0>, "
                            "#qnt.symbol<\"s\", input = 0, axis = 1>";
const std::string bs = "tensor<?x?xf32, #qnt.dims<[b, s]>>";
std::string of(const std::string &element, const std::string &dims, unsigned rank) {
  std::string type = "tensor<";
  for (unsigned i = 0; i < rank; ++i)
    type += "?x";
  return type + element + ", #qnt.dims<[" + dims + "]>>";
}

/// One op on an input of dimensions [b, s], as is.
void fault(const Reals &values, const Dims &dims, const std::string &op, const std::string &result,
           const std::string &code, const std::string &text) {
  Program program;
  program.body("%x: " + bs, result,
               "%0 = qnt." + op + " : (" + bs + ") -> " + result + "\n return %0 : " + result,
               symbols);
  expectFault(program.input(values, dims), code, text);
}

TEST(Refusals, Dimensions) {
  Reals one(1, 1);
  fault({}, {0, 4}, "reshape %x", of("f32", "floordiv(4, b)", 1), "QCC1852", "divides by zero");
  fault(one, {1, 1}, "reshape %x", of("f32", "s - 4", 1), "QCC1861", "dimension s - 4 is -3");
  fault({1, 2, 3, 4}, {2, 2}, "reshape %x", of("f32", "b, 3", 2), "QCC1861",
        "cannot give [2, 2] the dimensions [2, 3]");
  fault({1, 2}, {1, 2}, "slice %x {starts = #qnt.dims<[0, 1]>, steps = array<i64: 1, 1>}", bs,
        "QCC1851", "elements 1 to 2 are outside axis 1 of size 2");
  fault({}, {0, 2}, "arg_reduce %x {axis = 0 : i64, keepDims = false}", of("i64", "s", 1),
        "QCC1861", "has no element along axis 0");
}

TEST(Refusals, TopK) {
  Program program;
  program.body("%x: tensor<2xf32>", "tensor<3xf32>",
               "%0, %1 = qnt.top_k %x {axis = 0 : i64} : (tensor<2xf32>) -> (tensor<3xf32>, "
               "tensor<3xi64>)\n return %0 : tensor<3xf32>");
  expectFault(program.input({1, 2}), "QCC1861", "takes 3 of 2 elements");
}

TEST(Refusals, IntegerDivision) {
  for (const char *op : {"div", "mod"}) {
    Program program;
    program.body("%x: tensor<2xi32>, %y: tensor<2xi32>", "tensor<2xi32>",
                 std::string("%0 = qnt.") + op +
                     " %x, %y : (tensor<2xi32>, tensor<2xi32>) -> tensor<2xi32>\n"
                     "return %0 : tensor<2xi32>");
    expectFault(program.input({1, 2}).input({1, 0}), "QCC1852",
                "divides integers by zero at element 1");
  }
}

TEST(Refusals, Indices) {
  Program program;
  program.body("%x: tensor<2x2xf32>, %i: tensor<3x2xi64>", "tensor<3x2xf32>",
               "%0 = qnt.gather_elements %x, %i {axis = 1 : i64} : (tensor<2x2xf32>, "
               "tensor<3x2xi64>) -> tensor<3x2xf32>\n return %0 : tensor<3x2xf32>");
  expectFault(program.input({1, 2, 3, 4}).input(Reals(6, 0)), "QCC1861",
              "indices [3, 2] reach outside of [2, 2]");
  Program bind;
  bind.body("%x: tensor<i64>", "tensor<i64>",
            "qnt.bind_dim %x as \"n\" : tensor<i64>\n return %x : tensor<i64>");
  expectFault(bind.input({-2}), "QCC1861", "symbol 'n' would be -2");
  EXPECT_EQ(bind.environment.symbols.count("n"), 0u);
}

TEST(Refusals, SizesThatChange) {
  // Two ops that produce one symbol: the first operand is longer than the result by then.
  Program program;
  std::string found = of("i64", "1, n", 2), both = of("i64", "1, 2 * n", 2);
  program.body("%x: tensor<3xf32>, %y: tensor<3xf32>", both,
               "%0 = qnt.non_zero %x {symbol = \"n\"} : (tensor<3xf32>) -> " + found +
                   "\n%1 = qnt.non_zero %y {symbol = \"n\"} : (tensor<3xf32>) -> " + found +
                   "\n%2 = qnt.concat %0, %1 {axis = 1 : i64} : (" + found + ", " + found +
                   ") -> " + both + "\n return %2 : " + both);
  expectFault(program.input({1, 2, 3}).input({1, 0, 0}), "QCC1861",
              "operands are longer than the result's 2 along the axis");
}

TEST(Refusals, PadsOfNothing) {
  Program program;
  std::string s = of("f32", "s", 1), padded = of("f32", "s + 2", 1);
  program.body("%x: " + s + ", %v: tensor<f32>", padded,
               "%0 = qnt.pad %x, %v {low = #qnt.dims<[1]>, high = #qnt.dims<[1]>, mode = "
               "#qnt<pad_mode reflect>} : (" +
                   s + ", tensor<f32>) -> " + padded + "\n return %0 : " + padded,
               "#qnt.symbol<\"s\", input = 0, axis = 0>");
  expectFault(program.input({}, Dims{0}).input({0}), "QCC1861",
              "cannot pad the empty [0] to [2] from its own elements");
}

TEST(Refusals, KindsWithoutMeaning) {
  Program reduce;
  reduce.body("%x: tensor<3xi32>", "tensor<i32>",
              "%0 = qnt.reduce log_sum_exp %x {axes = array<i64: 0>, keepDims = false} : "
              "(tensor<3xi32>) -> tensor<i32>\n return %0 : tensor<i32>");
  expectFault(reduce.input({1, 2, 3}), "QCC1859", "has no meaning on integers");
  Program resize;
  resize.body("%x: tensor<3xf32>", "tensor<6xf32>",
              "%0 = qnt.resize %x {mode = \"linear\", coordinates = \"sideways\", nearest = "
              "\"floor\", scales = array<f64: 2.0>} : (tensor<3xf32>) -> tensor<6xf32>\n"
              "return %0 : tensor<6xf32>");
  expectFault(resize.input({1, 2, 3}), "QCC1850",
              "coordinate transformation 'sideways' with rounding 'floor' is not known");
}

/// A matrix assembled from constants, and what becomes of it.
void assembleFault(const std::string &codes, const std::string &scale, const std::string &zero,
                   const std::string &scheme, const std::string &text) {
  Program program;
  auto type = [](const std::string &constant) { return constant.substr(constant.find(" : ") + 3); };
  std::string q = "!qnt.q<[2, 3], " + scheme + ">", z = zero.empty() ? "" : ", " + type(zero);
  program.body("", "tensor<2x3xf32>",
               "%c = qnt.constant " + codes + "\n%s = qnt.constant " + scale + "\n" +
                   (zero.empty() ? "" : "%z = qnt.constant " + zero + "\n") +
                   "%q = qnt.assemble %c, %s" + (zero.empty() ? "" : ", %z") + " : (" +
                   type(codes) + ", " + type(scale) + z + ") -> " + q +
                   "\n%0 = qnt.dequantize %q : (" + q +
                   ") -> tensor<2x3xf32>\nreturn %0 : tensor<2x3xf32>");
  expectFault(program, "QCC1860", text);
}

TEST(Refusals, QuantizedParts) {
  const std::string codes = "dense<1> : tensor<2x3xi8>", two = "dense<1.0> : tensor<2xf32>";
  assembleFault("dense<1> : tensor<2x2xi8>", two, "", "i8, axis 0, scale f32",
                "[2, 2] codes do not fill [2, 3]");
  assembleFault(codes, "dense<1.0> : tensor<3xf32>", "", "i8, axis 0, scale f32",
                "3 scales for 2 groups");
  assembleFault(codes, two, "dense<1> : tensor<3xi8>", "i8, axis 0, scale f32, zero i8",
                "3 zero points for 2 groups");
}

TEST(Refusals, Inputs) {
  // The symbol's axis is one that the given input does not have.
  Program rank;
  rank.body("%x: " + bs, bs, "return %x : " + bs, symbols);
  expectFault(rank.input({1, 2}, Dims{2}), "QCC1858",
              "symbol 's' is bound to axis 1 of input 0, which does not exist");
  Program count;
  count.body("%x: " + bs, bs, "return %x : " + bs, "#qnt.symbol<\"b\", input = 3, axis = 0>");
  expectFault(count.input({1, 2}, Dims{1, 2}), "QCC1858", "axis 0 of input 3");
  Program range;
  range.body("%x: " + bs, bs, "return %x : " + bs,
             "#qnt.symbol<\"b\", input = 0, axis = 0, min = 2, max = 4>, "
             "#qnt.symbol<\"s\", input = 0, axis = 1>");
  expectFault(range.input({1, 2}, Dims{1, 2}), "QCC1854", "symbol 'b' is 1, outside 2 to 4");
  Program quantized;
  quantized.body("%x: !qnt.q<[2], i8, tensor, scale f32>", "", "return");
  quantized.inputs.push_back(
      Tensor::of(mlir::Float32Type::get(&quantized.context), {2}, Reals{1, 2}));
  expectFault(quantized, "QCC1858", "is quantized; functions take tensors");
}

const char *const useOfWeight = R"(
  qnt.weight @w : tensor<4xf32> = #qnt.file<"weights.bin", 4, 16>
  func.func @main() -> tensor<4xf32> {
    %0 = qnt.use @w : tensor<4xf32>
    return %0 : tensor<4xf32>
  })";

TEST(Refusals, Weights) {
  Program none;
  expectFault(none.parse(useOfWeight), "QCC1856", "no source of weights was given");
  std::string folder = testing::TempDir() + "refused-weights";
  ASSERT_FALSE(llvm::sys::fs::create_directories(folder));
  FolderWeights files(folder, folder);
  auto fails = [&](const std::string &text) {
    Program program;
    program.parse(useOfWeight);
    program.environment.weights = &files;
    expectFault(program, "QCC1856", text);
  };
  llvm::sys::fs::remove(folder + "/weights.bin");
  fails("cannot be read");
  for (size_t size : {0, 3, 19}) {
    std::ofstream(folder + "/weights.bin") << std::string(size, 'a');
    fails("has " + std::to_string(size) + " bytes, but a weight lies at 4 and has 16");
  }
  // What other tools leave behind: uses and launches of nothing.
  Program use;
  use.parse(useOfWeight);
  (*use.module->getOps<qcc::qnt::WeightOp>().begin()).erase();
  expectFault(use, "QCC1856", "no weight is named 'w'");
  Program launch;
  launch.parse("qnt.kernel @k \"map\" dims 1 {\n^bb0(%a: tensor<3xf32>):\n"
               "  qnt.yield %a : tensor<3xf32>\n}\n"
               "func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {\n"
               "  %0 = qnt.launch @k <[3]>(%x) : (tensor<3xf32>) -> tensor<3xf32>\n"
               "  return %0 : tensor<3xf32>\n}");
  (*launch.module->getOps<qcc::qnt::KernelOp>().begin()).erase();
  expectFault(launch.input({1, 2, 3}), "QCC1850", "no kernel is named 'k'");
}

/// Sixteen bytes for every source.
class SixteenBytes : public WeightSource {
public:
  llvm::Expected<Bytes> read(mlir::Attribute) override { return Bytes{bytes, 16, nullptr}; }
  char bytes[16] = {};
};

TEST(Refusals, StoredCodes) {
  for (const char *scheme : {"i8, axis 1, scale f32", "i8, axis 0, scale f32"}) {
    Program program;
    std::string type = std::string("!qnt.q<[2, 3], ") + scheme + ">";
    program.parse("qnt.weight @w : " + type +
                  " = #qnt.file<\"m.qnt\", 0, 16>\n"
                  "func.func @main() -> tensor<2x3xf32> {\n  %0 = qnt.use @w : " +
                  type + "\n  %1 = qnt.dequantize %0 : (" + type +
                  ") -> tensor<2x3xf32>\n  return %1 : tensor<2x3xf32>\n}");
    SixteenBytes source;
    program.environment.weights = &source;
    expectFault(program, "QCC1860", "its bytes are no codes by rows");
  }
}

} // namespace
