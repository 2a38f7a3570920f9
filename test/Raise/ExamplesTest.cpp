// The examples of the passes, raise-*.mlir, mean the same after their pass as before.
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "qcc/Raise/Passes.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/Support/MemoryBuffer.h"
#include "gtest/gtest.h"
#include <random>

using namespace mlir;
using namespace qcc;

namespace {

/// Small numbers, the same ones for the same place in the test.
class Numbers : public reference::WeightSource {
public:
  llvm::Expected<Bytes> read(Attribute source) override {
    auto values = std::make_shared<std::vector<float>>(cast<qnt::FileAttr>(source).getLength() / 4);
    for (float &value : *values)
      value = float(next());
    return Bytes{reinterpret_cast<const char *>(values->data()), values->size() * 4, values};
  }
  double next() { return std::uniform_real_distribution<double>(-1, 1)(engine); }
  std::mt19937 engine{7};
};

std::vector<double> run(func::FuncOp function) {
  Numbers numbers;
  reference::Environment environment;
  environment.weights = &numbers;
  environment.symbols["s"] = 3;
  environment.symbols["t"] = 5;
  SmallVector<reference::RtValue> inputs;
  for (Type type : function.getArgumentTypes()) {
    auto dims = environment.sizes(type, function);
    EXPECT_TRUE(static_cast<bool>(dims));
    std::vector<double> values(
        std::accumulate(dims->begin(), dims->end(), int64_t(1), std::multiplies<>()));
    bool isBool = qnt::elementTypeOf(type).isInteger(1);
    for (double &value : values)
      value = isBool ? numbers.next() < 0.5 : numbers.next();
    inputs.push_back(reference::Tensor::of(qnt::elementTypeOf(type), *dims, values));
  }
  auto results = reference::evaluateFunction(function, inputs, environment);
  if (!results) {
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }
  std::vector<double> values;
  for (const reference::RtValue &result : *results) {
    const auto &tensor = std::get<reference::Tensor>(result);
    for (int64_t i = 0; i < tensor.size(); ++i)
      values.push_back(tensor.real(i));
  }
  return values;
}

class Example : public testing::TestWithParam<const char *> {};

TEST_P(Example, KeepsItsMeaning) {
  std::string path = std::string(QCC_SOURCE_DIR) + "/test/Raise/" + GetParam() + ".mlir";
  auto file = llvm::MemoryBuffer::getFile(path);
  ASSERT_TRUE(static_cast<bool>(file)) << path;
  SmallVector<StringRef> parts;
  (*file)->getBuffer().split(parts, "// -----");
  for (StringRef part : parts) {
    MLIRContext context;
    context.loadDialect<qnt::QntDialect, func::FuncDialect>();
    auto module = parseSourceString<ModuleOp>(part, &context);
    ASSERT_TRUE(module);
    std::vector<std::vector<double>> before;
    module->walk([&](func::FuncOp function) { before.push_back(run(function)); });
    PassManager passes(&context);
    ASSERT_TRUE(
        succeeded(parsePassPipeline(("func.func(qcc-" + std::string(GetParam()) + ")"), passes)));
    ASSERT_TRUE(succeeded(passes.run(*module)));
    size_t i = 0;
    module->walk([&](func::FuncOp function) {
      bool half = llvm::any_of(function.getResultTypes(), [](Type type) {
        return qnt::elementTypeOf(type).getIntOrFloatBitWidth() == 16;
      });
      std::vector<double> after = run(function);
      ASSERT_EQ(after.size(), before[i].size());
      for (size_t j = 0; j < after.size(); ++j)
        if (after[j] != before[i][j] && !(std::isnan(after[j]) && std::isnan(before[i][j])))
          EXPECT_NEAR(after[j], before[i][j], half ? 4e-3 : 1e-5)
              << "@" << function.getName().str() << ", element " << j;
      ++i;
    });
  }
}

std::string testName(const testing::TestParamInfo<const char *> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct RegisterPasses : testing::Environment {
  void SetUp() override { raise::registerQccRaisePasses(); }
};
const auto *passes = testing::AddGlobalTestEnvironment(new RegisterPasses);

INSTANTIATE_TEST_SUITE_P(Passes, Example,
                         testing::Values("raise-layer-norm", "raise-rms-norm", "raise-gelu",
                                         "raise-silu", "raise-rope", "raise-attention",
                                         "raise-linear"),
                         testName);

} // namespace
