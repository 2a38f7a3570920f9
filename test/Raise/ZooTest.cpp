// Graphs of real exporters mean the same before and after raising, and what their authors expect.
// All graphs where the larger data sets lie beside the checkout, else the few that it carries.
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Import/Import.h"
#include "qcc/Onnx/Reader.h"
#include "qcc/Raise/Passes.h"
#include "qcc/Reference/Interpreter.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/SHA256.h"
#include "gtest/gtest.h"
#include <cstdlib>
#include <filesystem>

using namespace mlir;
using namespace qcc;
namespace fs = std::filesystem;

namespace {

fs::path zoo() {
  const char *data = std::getenv("QCC_EXTRA_DATA");
  fs::path source(QCC_SOURCE_DIR);
  fs::path extra = (data ? fs::path(data) : source.parent_path() / "shared" / "data") / "zoo";
  return fs::exists(extra) ? extra : source / "test" / "data" / "zoo";
}

std::vector<std::string> graphs() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto &entry : fs::directory_iterator(zoo(), error))
    if (fs::exists(entry.path() / "model.onnx"))
      names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// File ranges from the model's folder, blobs from memory.
class ModelWeights : public reference::WeightSource {
public:
  explicit ModelWeights(std::string folder) : files(std::move(folder), "") {}
  llvm::Expected<Bytes> read(Attribute source) override {
    if (auto blob = dyn_cast<qnt::BlobAttr>(source)) {
      const auto &bytes = blobs[blob.getSha256()];
      return Bytes{reinterpret_cast<const char *>(bytes.data()), bytes.size(), nullptr};
    }
    return files.read(source);
  }
  llvm::StringMap<std::vector<uint8_t>> blobs;
  reference::FolderWeights files;
};

class Zoo : public testing::TestWithParam<std::string> {
protected:
  Zoo() : weights((zoo() / GetParam()).string()) {
    context.loadDialect<qnt::QntDialect, func::FuncDialect>();
  }

  void import() {
    ImportOptions options;
    options.addBlob = [&](ArrayRef<uint8_t> bytes) -> llvm::Expected<qnt::BlobAttr> {
      std::string hash = llvm::toHex(llvm::SHA256::hash(bytes), true);
      weights.blobs[hash].assign(bytes.begin(), bytes.end());
      return qnt::BlobAttr::get(&context, hash, bytes.size());
    };
    auto read = importOnnx((zoo() / GetParam() / "model.onnx").string(), context, options);
    if (!read) {
      importFault = llvm::toString(read.takeError());
      return;
    }
    module = std::move(*read);
  }

  std::vector<reference::RtValue> tensors(const fs::path &folder, const std::string &stem,
                                          ArrayRef<Type> types) {
    std::vector<reference::RtValue> values;
    for (unsigned i = 0; i < types.size(); ++i) {
      auto read =
          onnx::readTensorFile((folder / (stem + "_" + std::to_string(i) + ".pb")).string());
      if (!read) {
        ADD_FAILURE() << llvm::toString(read.takeError());
        return {};
      }
      auto bytes = std::make_shared<std::vector<uint8_t>>(std::move(read->bytes));
      values.push_back(
          reference::Tensor::borrow(qnt::elementTypeOf(types[i]), read->dims, bytes->data(),
                                    std::shared_ptr<const void>(bytes, bytes->data())));
    }
    return values;
  }

  func::FuncOp main() { return module->lookupSymbol<func::FuncOp>("main"); }

  std::vector<reference::RtValue> run(ArrayRef<reference::RtValue> inputs) {
    auto results = reference::evaluateFunction(main(), inputs, weights);
    if (!results) {
      ADD_FAILURE() << llvm::toString(results.takeError());
      return {};
    }
    return {results->begin(), results->end()};
  }

  void raise() {
    PassManager passes(&context);
    OpPassManager &functions = passes.nest<func::FuncOp>();
    functions.addPass(raise::createRaiseLayerNorm());
    functions.addPass(raise::createRaiseRmsNorm());
    functions.addPass(raise::createRaiseGelu());
    functions.addPass(raise::createRaiseSilu());
    functions.addPass(raise::createRaiseRope());
    functions.addPass(raise::createRaiseAttention());
    functions.addPass(raise::createRaiseLinear());
    ASSERT_TRUE(succeeded(passes.run(*module)));
  }

  /// |got - want| <= tolerance * max(1, |want|), and NaN where NaN is.
  void compare(ArrayRef<reference::RtValue> got, ArrayRef<reference::RtValue> want,
               double tolerance, const std::string &what) {
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const auto &a = std::get<reference::Tensor>(got[i]),
                 &b = std::get<reference::Tensor>(want[i]);
      ASSERT_EQ(a.dims(), b.dims()) << what << ", output " << i;
      double worst = 0;
      for (int64_t j = 0; j < a.size(); ++j) {
        double x = a.real(j), y = b.real(j);
        if (x != y && !(std::isnan(x) && std::isnan(y)))
          worst = std::max(worst, std::isnan(x - y) ? INFINITY
                                                    : std::abs(x - y) / std::max(1.0, std::abs(y)));
      }
      EXPECT_LE(worst, tolerance) << what << ", output " << i;
    }
  }

  MLIRContext context;
  ModelWeights weights;
  OwningOpRef<ModuleOp> module;
  std::string importFault;
};

TEST_P(Zoo, RaisingKeepsTheMeaning) {
  import();
  if (!module)
    GTEST_SKIP() << importFault;
  bool half = StringRef(GetParam()).contains("fp16"),
       brain = StringRef(GetParam()).contains("bf16");
  double expected = brain  ? 0.15
                    : half ? 2e-2
                           : 1e-3,
         unchanged = brain  ? 0.15
                     : half ? 2e-2
                            : 1e-5;
  std::vector<std::vector<reference::RtValue>> inputs, before;
  SmallVector<Type> argumentTypes(main().getArgumentTypes()), resultTypes(main().getResultTypes());
  for (int set = 0; fs::exists(zoo() / GetParam() / ("test_data_set_" + std::to_string(set)));
       ++set) {
    fs::path folder = zoo() / GetParam() / ("test_data_set_" + std::to_string(set));
    inputs.push_back(tensors(folder, "input", argumentTypes));
    before.push_back(run(inputs.back()));
    if (before.back().empty())
      return;
    compare(before.back(), tensors(folder, "output", resultTypes), expected,
            "imported, data set " + std::to_string(set));
  }
  raise();
  ASSERT_TRUE(succeeded(verify(*module)));
  for (size_t set = 0; set < inputs.size(); ++set)
    compare(run(inputs[set]), before[set], unchanged, "raised, data set " + std::to_string(set));
}

std::string testName(const testing::TestParamInfo<std::string> &info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Graphs, Zoo, testing::ValuesIn(graphs()), testName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Zoo);

} // namespace
