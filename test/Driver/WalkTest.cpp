// Walking over a function piece by piece gives what running it whole gives.
#include "qcc/Driver/Walk.h"
#include "mlir/Parser/Parser.h"
#include "qcc/Emit/Emit.h"
#include "llvm/Support/FileSystem.h"
#include "gtest/gtest.h"
#include <fstream>
#include <numeric>
#include <unistd.h>

using namespace mlir;
using namespace qcc;

namespace {

/// y = relu(x + x) * x, then its sum with relu(x): values that live over several pieces.
constexpr llvm::StringLiteral kModel = R"mlir(
func.func @main(%x: tensor<?x4xf32, #qnt.dims<[s, 4]>> {qnt.name = "x"})
    -> tensor<?x4xf32, #qnt.dims<[s, 4]>>
    attributes {qnt.symbols = [#qnt.symbol<"s", input = 0, axis = 0>]} {
  %0 = qnt.add %x, %x : (tensor<?x4xf32, #qnt.dims<[s, 4]>>, tensor<?x4xf32, #qnt.dims<[s, 4]>>) -> tensor<?x4xf32, #qnt.dims<[s, 4]>>
  %1 = qnt.relu %0 : (tensor<?x4xf32, #qnt.dims<[s, 4]>>) -> tensor<?x4xf32, #qnt.dims<[s, 4]>>
  %2 = qnt.mul %1, %x : (tensor<?x4xf32, #qnt.dims<[s, 4]>>, tensor<?x4xf32, #qnt.dims<[s, 4]>>) -> tensor<?x4xf32, #qnt.dims<[s, 4]>>
  %3 = qnt.add %2, %1 : (tensor<?x4xf32, #qnt.dims<[s, 4]>>, tensor<?x4xf32, #qnt.dims<[s, 4]>>) -> tensor<?x4xf32, #qnt.dims<[s, 4]>>
  return %3 : tensor<?x4xf32, #qnt.dims<[s, 4]>>
}
)mlir";

class WalkTest : public testing::Test {
protected:
  void SetUp() override {
    context = makeContext(1);
    model.module = parseSourceString<ModuleOp>(kModel, context.get());
    ASSERT_TRUE(model.module);
    llvm::SmallString<128> path;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("qcc-walk", path));
    folder = std::string(path);
    function = *model.module->getOps<func::FuncOp>().begin();
    for (Operation &op : function.getBody().front())
      if (op.getNumResults())
        values.push_back(op.getResult(0));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(folder); }

  /// Sample i has i + 1 rows of numbers -3, -2, ...
  static llvm::Expected<std::vector<data::HostTensor>> sample(size_t i) {
    std::vector<data::HostTensor> inputs;
    inputs.emplace_back(QCC_F32, std::vector<int64_t>{static_cast<int64_t>(i) + 1, 4});
    for (int64_t k = 0; k < inputs[0].count(); ++k)
      inputs[0].setNumber(k, static_cast<double>(k) - 3);
    return inputs;
  }

  std::unique_ptr<MLIRContext> context;
  LoadedModel model;
  std::string folder;
  func::FuncOp function;
  std::vector<Value> values;
};

TEST_F(WalkTest, ValuesOverSeveralPieces) {
  Walk walk(model, function, 3, sample, {folder, 1, 1});
  auto compute = [&](Value value, auto formula) {
    size_t seen = 0;
    llvm::Error failed = walk.compute({value}, [&](size_t i, ArrayRef<qcc_tensor> got) {
      EXPECT_EQ(i, seen++);
      EXPECT_EQ(got[0].dims[0], static_cast<int64_t>(i) + 1);
      for (int64_t k = 0; k < got[0].dims[0] * 4; ++k)
        EXPECT_EQ(static_cast<const float *>(got[0].data)[k], formula(static_cast<float>(k) - 3));
      return llvm::Error::success();
    });
    EXPECT_FALSE(static_cast<bool>(failed)) << llvm::toString(std::move(failed));
    EXPECT_EQ(seen, 3u);
  };
  auto relu = [](float x) { return x > 0 ? 2 * x : 0.0f; };
  compute(function.getArgument(0), [](float x) { return x; });
  compute(values[1], relu);
  compute(values[1], relu); // known by now
  compute(values[3], [&](float x) { return relu(x) * x + relu(x); });
}

TEST_F(WalkTest, RewritingBehindTheFrontCounts) {
  Walk walk(model, function, 1, sample, {folder, 1, 1});
  auto ignore = [](size_t, ArrayRef<qcc_tensor>) { return llvm::Error::success(); };
  ASSERT_FALSE(static_cast<bool>(walk.compute({values[0]}, ignore)));
  // The value is on disk; what reads it changes afterwards.
  Operation *relu = values[1].getDefiningOp();
  OpBuilder builder(relu);
  auto neg = qnt::NegOp::create(builder, relu->getLoc(), values[1].getType(), values[0]);
  values[1].replaceAllUsesWith(neg->getResult(0));
  float got = 0;
  ASSERT_FALSE(
      static_cast<bool>(walk.compute({values[2]}, [&](size_t, ArrayRef<qcc_tensor> tensors) {
        got = static_cast<const float *>(tensors[0].data)[0];
        return llvm::Error::success();
      })));
  EXPECT_EQ(got, 6 * -3.0f); // -(x + x) * x at x = -3
}

/// Pieces of a walk find the code of equal pieces before, and of no others.
TEST_F(WalkTest, CodeIsMadeOnce) {
  model.codes = std::make_shared<emit::CodeCache>();
  auto firstNumber = [&](Value value) {
    float got = 0;
    Walk walk(model, function, 1, sample, {folder, 1, 1});
    llvm::Error failed = walk.compute({value}, [&](size_t, ArrayRef<qcc_tensor> tensors) {
      got = static_cast<const float *>(tensors[0].data)[0];
      return llvm::Error::success();
    });
    EXPECT_FALSE(static_cast<bool>(failed)) << llvm::toString(std::move(failed));
    return got;
  };
  EXPECT_EQ(firstNumber(values[0]), -6.0f);
  size_t made = model.codes->size();
  EXPECT_GT(made, 0u);
  EXPECT_EQ(firstNumber(values[0]), -6.0f);
  EXPECT_EQ(model.codes->size(), made);
  EXPECT_EQ(firstNumber(values[1]), 0.0f);
  EXPECT_GT(model.codes->size(), made);
}

TEST_F(WalkTest, ErrorsOfTheVisitorEndTheWalk) {
  Walk walk(model, function, 3, sample, {folder, 1, 1});
  size_t seen = 0;
  llvm::Error failed =
      walk.compute({values[1]}, [&](size_t i, ArrayRef<qcc_tensor>) -> llvm::Error {
        ++seen;
        return i == 1 ? llvm::createStringError("enough") : llvm::Error::success();
      });
  EXPECT_EQ(llvm::toString(std::move(failed)), "enough");
  EXPECT_EQ(seen, 2u);
}

TEST_F(WalkTest, TensorsOfSamplesKeepTheirSizes) {
  auto store = SampleTensors::create(folder);
  ASSERT_TRUE(static_cast<bool>(store));
  std::vector<std::vector<float>> data = {{1, 2, 3}, {}, {4}};
  for (std::vector<float> &row : data) {
    int64_t dims[] = {1, static_cast<int64_t>(row.size())};
    ASSERT_FALSE(
        static_cast<bool>((*store)->append({row.data(), QCC_F32, 2, dims, row.size() * 4})));
  }
  for (size_t i : {2, 0, 1}) {
    auto view = (*store)->view(i);
    ASSERT_TRUE(static_cast<bool>(view));
    ASSERT_EQ(view->dims[1], static_cast<int64_t>(data[i].size()));
    ASSERT_EQ(view->bytes, data[i].size() * 4);
    for (size_t j = 0; j < data[i].size(); ++j)
      EXPECT_EQ(static_cast<const float *>(view->data)[j], data[i][j]);
  }
  auto nowhere = SampleTensors::create("/no/such/folder");
  EXPECT_FALSE(static_cast<bool>(nowhere));
  llvm::consumeError(nowhere.takeError());
}

/// Bytes of this process that lie in memory.
int64_t residentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

TEST_F(WalkTest, OneSampleOfASetIsInMemory) {
  auto store = SampleTensors::create(folder);
  ASSERT_TRUE(bool(store)) << llvm::toString(store.takeError());
  constexpr size_t count = 64, elements = 1 << 18;
  std::vector<float> values(elements);
  int64_t dims[1] = {elements};
  for (size_t i = 0; i < count; ++i) {
    std::fill(values.begin(), values.end(), static_cast<float>(i));
    ASSERT_FALSE((*store)->append({values.data(), QCC_F32, 1, dims, elements * 4}));
  }
  int64_t before = residentBytes();
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    auto view = (*store)->view(i);
    ASSERT_TRUE(bool(view)) << llvm::toString(view.takeError());
    const auto *data = static_cast<const float *>(view->data);
    sum = std::accumulate(data, data + elements, sum);
  }
  EXPECT_EQ(sum, double(elements) * (count - 1) * count / 2);
  EXPECT_LT(residentBytes() - before, int64_t(16) << 20) << "of 64 MiB";
}

} // namespace
