// Functions with symbols, weights and recipes, fused groups and kernels.
#include "Evaluate.h"
#include <cstring>
#include <fstream>

using namespace qcc::reference;
using namespace qcc::reference::test;

namespace {
const std::string symbols =
    "#qnt.symbol<\"b\", input = 0, axis = 0>, "
    "#qnt.symbol<\"s\", input = 0, axis = 1, min = 2, max = 8, divisor = 2>";
const std::string sumType = "tensor<?x?xf32, #qnt.dims<[b, s]>>";

void expectFault(Program &program, const std::string &code, const std::string &text) {
  std::string fault = program.fault();
  EXPECT_NE(fault.find(code), std::string::npos) << fault;
  EXPECT_NE(fault.find(text), std::string::npos) << fault;
}

void addInputs(Program &program) {
  program.body("%x: " + sumType + ", %y: " + sumType, sumType,
               "%0 = qnt.add %x, %y : (" + sumType + ", " + sumType + ") -> " + sumType +
                   "\n return %0 : " + sumType,
               symbols);
}
} // namespace

TEST(Function, BindsSymbols) {
  Program program;
  addInputs(program);
  EXPECT_EQ(program.input({1, 2}, Dims{1, 2}).input({3, 4}, Dims{1, 2}).run(), (Reals{4, 6}));
  EXPECT_EQ(program.environment.symbols["s"], 2);
}

TEST(Function, ChecksOtherInputs) {
  Program program;
  addInputs(program);
  program.input({1, 2}, Dims{1, 2}).input({3, 4, 5, 6}, Dims{1, 4});
  expectFault(program, "QCC1853", "axis 1 is 4, but s is 2");
  Program range;
  addInputs(range);
  range.input({1, 2, 3}, Dims{1, 3}).input({1, 2, 3}, Dims{1, 3});
  expectFault(range, "QCC1854", "symbol 's' is 3");
  Program flat;
  addInputs(flat);
  flat.input({1, 2}, Dims{1, 2}).input({1, 2}, Dims{2});
  expectFault(flat, "QCC1858", "has rank 1 and type f32 instead of rank 2 and f32");
  Program count;
  addInputs(count);
  expectFault(count.input({1, 2}, Dims{1, 2}), "QCC1858", "takes 2 inputs, but got 1");
}

TEST(Function, RequiresEqualDimensions) {
  Program program;
  program.body("%x: " + sumType, sumType, "qnt.require_equal <[s, b + 1]>\n return %x : " + sumType,
               symbols);
  program.input({1, 2}, Dims{1, 2});
  EXPECT_EQ(program.run(), (Reals{1, 2}));
  program.inputs.clear();
  expectFault(program.input({1, 2, 3, 4}, Dims{1, 4}), "QCC1857",
              "dimension s is 4, but b + 1 is 2");
}

TEST(Function, NamesSymbolsWithoutValue) {
  Program program;
  program.body("", "tensor<1xi64>",
               "%0 = qnt.dim_tensor <[q]> : tensor<1xi64>\n return %0 : tensor<1xi64>");
  expectFault(program, "QCC1855", "'q'");
}

TEST(Function, OtherDialectsHaveNoMeaning) {
  Program program;
  program.context.allowUnregisteredDialects();
  program.body("", "tensor<1xf32>",
               "%0 = \"other.op\"() : () -> tensor<1xf32>\n return %0 : tensor<1xf32>");
  expectFault(program, "QCC1850", "other.op");
}

TEST(Function, FusedGroupsAndKernels) {
  Program program;
  std::string s = "tensor<?xf32, #qnt.dims<[s]>>", d = "tensor<?xf32, #qnt.dims<[d0]>>";
  program.parse("func.func @main(%x: " + s + ") -> " + s +
                " attributes {qnt.symbols = [#qnt.symbol<\"s\", input = 0, axis = 0>]} {\n"
                "%0 = qnt.fused \"map\" (%x) {\n^bb0(%a: " +
                s + "):\n  %1 = qnt.neg %a : (" + s + ") -> " + s + "\n  qnt.yield %1 : " + s +
                "\n} : (" + s + ") -> " + s + "\n%2 = qnt.launch @k <[s]> (%0) : (" + s + ") -> " +
                s + "\nreturn %2 : " + s + "\n}\nqnt.kernel @k \"map\" dims 1 {\n^bb0(%a: " + d +
                "):\n  %0 = qnt.add %a, %a : (" + d + ", " + d + ") -> " + d +
                "\n  qnt.yield %0 : " + d + "\n}\n");
  EXPECT_EQ(program.input({1, 2, 3}, Dims{3}).run(), (Reals{-2, -4, -6}));
}

namespace {
/// Four floats for every source.
class FourFloats : public WeightSource {
public:
  llvm::Expected<Bytes> read(mlir::Attribute) override {
    ++reads;
    return Bytes{reinterpret_cast<const char *>(values), sizeof(values), nullptr};
  }
  float values[4] = {1, 2, 3, 4};
  int reads = 0;
};
const std::string weights = R"(
  qnt.weight @w : tensor<2x2xf32> = #qnt.file<"weights.bin", 3, 16>
  qnt.weight @w.t : tensor<2x2xf32> {
    %0 = qnt.use @w : tensor<2x2xf32>
    %1 = qnt.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<2x2xf32>) -> tensor<2x2xf32>
    qnt.yield %1 : tensor<2x2xf32>
  }
  func.func @main() -> (tensor<2x2xf32>, tensor<2x2xf32>) {
    %0 = qnt.use @w.t : tensor<2x2xf32>
    %1 = qnt.use @w : tensor<2x2xf32>
    return %0, %1 : tensor<2x2xf32>, tensor<2x2xf32>
  })";
} // namespace

TEST(Function, WeightsAndRecipes) {
  Program program;
  program.parse(weights);
  FourFloats source;
  program.environment.weights = &source;
  EXPECT_EQ(program.run(0), (Reals{1, 3, 2, 4}));
  EXPECT_EQ(program.run(1), (Reals{1, 2, 3, 4}));
  EXPECT_EQ(source.reads, 1);
}

TEST(Function, ReadsUnalignedFileRanges) {
  std::string folder = testing::TempDir();
  float values[4] = {5, 6, 7, 8};
  char bytes[19] = {};
  std::memcpy(bytes + 3, values, sizeof(values));
  std::ofstream(folder + "weights.bin", std::ios::binary).write(bytes, sizeof(bytes));
  Program program;
  program.parse(weights);
  FolderWeights source(folder, folder);
  program.environment.weights = &source;
  EXPECT_EQ(program.run(1), (Reals{5, 6, 7, 8}));
  Program missing;
  missing.parse(weights);
  FolderWeights nowhere(folder + "nowhere", folder);
  missing.environment.weights = &nowhere;
  expectFault(missing, "QCC1856", "weights.bin");
}
