// Real exports, where a folder of them is at hand: $QCC_EXTRA_DATA/zoo/NAME/model.onnx. Each must
// import, have the declared output sizes, and compute the stored outputs.
#include "ImportTesting.h"

using namespace qcc;
using namespace qcc::test;
namespace fs = std::filesystem;

namespace {

using reference::Tensor;

/// Whether a declared dimension that is a number agrees with the imported one.
void expectDeclaredSizes(const std::string &path, mlir::func::FuncOp main) {
  auto model = expectOk(onnx::readModel(path));
  ASSERT_EQ(model->graph.outputs.size(), main.getNumResults()) << path;
  for (auto [info, type] : llvm::zip(model->graph.outputs, main.getResultTypes())) {
    auto dims = qnt::dimsOf(type);
    ASSERT_EQ(info.dims.size(), dims.size()) << path << " " << info.name;
    for (auto [declared, dim] : llvm::zip(info.dims, dims)) {
      if (declared.value)
        EXPECT_EQ(dim.constantValue(), declared.value) << path << " " << info.name;
      else if (auto want = qnt::DimExpr::parse(dim.getContext(), declared.param);
               want && want->kind() == qnt::DimKind::Sum)
        EXPECT_EQ(dim, *want) << path << " " << info.name;
    }
  }
}

std::optional<Tensor> load(const fs::path &file, mlir::Type element) {
  auto read = onnx::readTensorFile(file.string());
  if (!read) {
    ADD_FAILURE() << llvm::toString(read.takeError());
    return std::nullopt;
  }
  auto owner = std::make_shared<onnx::OwnedTensor>(std::move(*read));
  return Tensor::borrow(element, owner->dims, owner->bytes.data(), owner);
}

double tolerance(mlir::Type element) {
  return element.isBF16() ? 0.15 : element.isF16() ? 2e-2 : 1e-3;
}

void expectOutputs(const fs::path &set, mlir::func::FuncOp main, reference::WeightSource &weights) {
  llvm::SmallVector<reference::RtValue> inputs;
  for (auto [i, type] : llvm::enumerate(main.getArgumentTypes())) {
    auto input = load(set / ("input_" + std::to_string(i) + ".pb"), qnt::elementTypeOf(type));
    if (!input)
      return;
    inputs.push_back(*input);
  }
  auto results = reference::evaluateFunction(main, inputs, weights);
  if (!results) {
    ADD_FAILURE() << set << ": " << llvm::toString(results.takeError());
    return;
  }
  for (auto [i, value] : llvm::enumerate(*results)) {
    const auto &got = std::get<Tensor>(value);
    auto want = load(set / ("output_" + std::to_string(i) + ".pb"), got.elementType());
    ASSERT_TRUE(want && got.dims() == want->dims()) << set << " output " << i;
    double worst = 0;
    for (int64_t e = 0; e < got.size(); ++e)
      if (got.real(e) != want->real(e))
        worst = std::max(worst, std::abs(got.real(e) - want->real(e)) /
                                    std::max(1.0, std::abs(want->real(e))));
    EXPECT_LE(worst, tolerance(got.elementType())) << set << " output " << i;
  }
}

} // namespace

TEST(Zoo, EveryModelImportsAndComputes) {
  const char *root = std::getenv("QCC_EXTRA_DATA");
  if (!root)
    GTEST_SKIP() << "QCC_EXTRA_DATA names no folder of models";
  int models = 0;
  for (const fs::directory_entry &entry : fs::directory_iterator(fs::path(root) / "zoo")) {
    fs::path path = entry.path() / "model.onnx";
    if (!fs::exists(path))
      continue;
    mlir::MLIRContext context;
    auto module = importOnnx(path.string(), context);
    if (!module) {
      ADD_FAILURE() << llvm::toString(module.takeError());
      continue;
    }
    ++models;
    auto main = *(*module)->getOps<mlir::func::FuncOp>().begin();
    expectDeclaredSizes(path.string(), main);
    reference::FolderWeights weights(entry.path().string(), entry.path().string());
    for (int k = 0; fs::exists(entry.path() / ("test_data_set_" + std::to_string(k))); ++k)
      expectOutputs(entry.path() / ("test_data_set_" + std::to_string(k)), main, weights);
  }
  std::printf("imported and ran %d models\n", models);
  EXPECT_GT(models, 0);
}
