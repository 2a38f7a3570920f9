// What passes leave computes what it did before: exactly, up to rounding, or up to quantization.
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/AssignBits/Passes.h"
#include "qcc/Calibrate/Passes.h"
#include "qcc/Pack/Passes.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Reference/Interpreter.h"
#include "qcc/Rotate/Passes.h"
#include "qcc/Support/Ranges.h"
#include "qcc/Transform/Passes.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <random>

using namespace qcc;
using namespace qcc::qnt;

namespace {

/// Two norms, two layers with and without bias, and an embedding, over weights drawn at random.
const char *kModel = R"(
qnt.weight @e : tensor<50x64xf32> = #qnt.file<"w", 0, 12800>
qnt.weight @w : tensor<64x96xf32> = #qnt.file<"w", 12800, 24576>
qnt.weight @v : tensor<64x96xf32> = #qnt.file<"w", 37376, 24576>
qnt.weight @g : tensor<64xf32> = #qnt.file<"w", 61952, 256>
qnt.weight @b : tensor<64xf32> = #qnt.file<"w", 62208, 256>
qnt.weight @h : tensor<96xf32> = #qnt.file<"w", 62464, 384>
qnt.weight @c : tensor<64xf32> = #qnt.file<"w", 62848, 256>
func.func @main(%i: tensor<5xi64>) -> tensor<5x64xf32> {
  %e = qnt.use @e : tensor<50x64xf32>
  %g = qnt.use @g : tensor<64xf32>
  %b = qnt.use @b : tensor<64xf32>
  %0 = qnt.gather %e, %i {axis = 0 : i64} : (tensor<50x64xf32>, tensor<5xi64>) -> tensor<5x64xf32>
  %1 = qnt.layer_norm %0 gain %g bias %b {epsilon = 1.0e-5 : f64} : (tensor<5x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<5x64xf32>
  %w = qnt.use @w : tensor<64x96xf32>
  %2 = qnt.transpose %w {permutation = array<i64: 1, 0>} : (tensor<64x96xf32>) -> tensor<96x64xf32>
  %3 = qnt.linear %1, %2 : (tensor<5x64xf32>, tensor<96x64xf32>) -> tensor<5x96xf32>
  %h = qnt.use @h : tensor<96xf32>
  %4 = qnt.rms_norm %3, %h {epsilon = 1.0e-5 : f64} : (tensor<5x96xf32>, tensor<96xf32>) -> tensor<5x96xf32>
  %v = qnt.use @v : tensor<64x96xf32>
  %c = qnt.use @c : tensor<64xf32>
  %5 = qnt.linear %4, %v, %c : (tensor<5x96xf32>, tensor<64x96xf32>, tensor<64xf32>) -> tensor<5x64xf32>
  return %5 : tensor<5x64xf32>
}
)";

/// Small numbers from a fixed seed, read wherever a weight says.
class RandomWeights : public reference::WeightSource {
public:
  RandomWeights() : bytes(65536) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (size_t i = 0; i < bytes.size(); i += 4) {
      float value = 0.3f * normal(random) + (i >= 61952 ? 1.0f : 0.0f);
      std::memcpy(&bytes[i], &value, 4);
    }
  }
  llvm::Expected<Bytes> read(mlir::Attribute source) override {
    auto file = llvm::cast<FileAttr>(source);
    return Bytes{bytes.data() + file.getOffset(), file.getLength(), nullptr};
  }

private:
  std::vector<char> bytes;
};

class MeaningTest : public testing::Test {
protected:
  MeaningTest() : context(mlir::MLIRContext::Threading::DISABLED) {
    context.loadDialect<QntDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(kModel, &context);
    before = run();
  }
  std::vector<double>
  run(std::function<void(mlir::Operation *, llvm::ArrayRef<reference::RtValue>)> observe = {}) {
    reference::Environment environment;
    environment.weights = &weights;
    environment.observe = observe;
    auto ids = reference::Tensor::of(mlir::IntegerType::get(&context, 64), {5}, {3, 1, 4, 49, 5});
    auto results = reference::evaluateFunction(*module->getOps<mlir::func::FuncOp>().begin(),
                                               reference::RtValue(ids), environment);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    auto &tensor = std::get<reference::Tensor>((*results)[0]);
    std::vector<double> values;
    for (int64_t i = 0; i < tensor.size(); ++i)
      values.push_back(tensor.real(i));
    return values;
  }
  template <typename F> void apply(F add) {
    mlir::PassManager manager(&context);
    add(manager);
    ASSERT_TRUE(mlir::succeeded(manager.run(*module)));
  }
  void quantize(const std::string &scheme) {
    apply([&](mlir::OpPassManager &pm) {
      assignbits::AssignSchemesOptions options;
      options.scheme = scheme;
      pm.addNestedPass<mlir::func::FuncOp>(assignbits::createAssignSchemes(options));
    });
    fake = run();
    apply([&](mlir::OpPassManager &pm) {
      pm.addNestedPass<mlir::func::FuncOp>(quantize::createQuantizeLinear());
      pm.addNestedPass<mlir::func::FuncOp>(quantize::createQuantizeGather());
      pm.addPass(quantize::createHoistWeights());
    });
  }
  template <typename Op> size_t count() {
    size_t found = 0;
    for (auto function : module->getOps<mlir::func::FuncOp>())
      function.walk([&](Op) { ++found; });
    return found;
  }
  /// Largest difference, relative to the largest value.
  static double difference(const std::vector<double> &a, const std::vector<double> &b) {
    double largest = 0, scale = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      largest = std::max(largest, std::fabs(a[i] - b[i]));
      scale = std::max(scale, std::fabs(a[i]));
    }
    return a.size() == b.size() && scale > 0 ? largest / scale : 1;
  }

  mlir::MLIRContext context;
  RandomWeights weights;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<double> before, fake;
};

} // namespace

TEST_F(MeaningTest, HoistedWeightsAreExact) {
  apply([](mlir::OpPassManager &pm) { pm.addPass(quantize::createHoistWeights()); });
  EXPECT_EQ(count<TransposeOp>(), 0u);
  EXPECT_EQ(run(), before);
}

TEST_F(MeaningTest, FoldedGains) {
  apply([](mlir::OpPassManager &pm) {
    pm.addNestedPass<mlir::func::FuncOp>(rotate::createFoldNormGains());
    pm.addPass(quantize::createHoistWeights());
  });
  EXPECT_EQ(count<MulOp>() + count<MatmulOp>(), 0u);
  EXPECT_LT(difference(before, run()), 1e-5);
}

TEST_F(MeaningTest, MigratedScales) {
  apply([](mlir::OpPassManager &pm) {
    pm.addNestedPass<mlir::func::FuncOp>(calibrate::createObserveRanges());
  });
  RangeStore ranges;
  run([&](mlir::Operation *op, llvm::ArrayRef<reference::RtValue> results) {
    auto observe = llvm::dyn_cast<ObserveOp>(op);
    if (!observe)
      return;
    auto &tensor = std::get<reference::Tensor>(results[0]);
    std::vector<float> values;
    for (int64_t i = 0; i < tensor.size(); ++i)
      values.push_back(static_cast<float>(tensor.real(i)));
    EXPECT_TRUE(ranges.add(observe.getId(), tensor.dims().back(), values));
  });
  EXPECT_EQ(ranges.size(), 2u);
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("qcc", "json", path));
  {
    std::error_code failed;
    llvm::raw_fd_ostream(path, failed) << ranges.toJson();
  }
  apply([&](mlir::OpPassManager &pm) {
    transform::MigrateScalesOptions options;
    options.ranges = path.str().str();
    pm.addNestedPass<mlir::func::FuncOp>(transform::createMigrateScales(options));
    pm.addPass(quantize::createHoistWeights());
  });
  llvm::sys::fs::remove(path);
  EXPECT_EQ(count<ObserveOp>() + count<MulOp>() + count<DivOp>(), 0u);
  EXPECT_EQ(count<LinearOp>(), 2u);
  EXPECT_LT(difference(before, run()), 1e-5);
}

TEST_F(MeaningTest, Int8) {
  quantize("w8a8");
  EXPECT_EQ(count<QLinearOp>(), 2u);
  EXPECT_EQ(count<QGatherOp>(), 1u);
  EXPECT_EQ(count<DequantizeOp>(), 0u);
  std::vector<double> after = run();
  EXPECT_LT(difference(fake, after), 1e-5); // the same numbers, summed as integers
  EXPECT_LT(difference(before, after), 0.03);
}

TEST_F(MeaningTest, Int4InBlocks) {
  quantize("w4a8:g32");
  EXPECT_EQ(count<QLinearOp>(), 2u);
  std::vector<double> after = run();
  EXPECT_LT(difference(fake, after), 1e-5);
  EXPECT_LT(difference(before, after), 0.2);
}
