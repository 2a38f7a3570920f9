// Real exports, where a folder of them is at hand: $QCC_EXTRA_DATA/zoo*/NAME/*.onnx.
#include "OnnxTesting.h"

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;
namespace fs = std::filesystem;

TEST(Zoo, EveryModelReadsAndExpands) {
  const char *root = std::getenv("QCC_EXTRA_DATA");
  if (!root)
    GTEST_SKIP() << "QCC_EXTRA_DATA names no folder of models";
  int models = 0, tensors = 0;
  for (const fs::directory_entry &zoo : fs::directory_iterator(root)) {
    if (!zoo.is_directory() || zoo.path().filename().string().rfind("zoo", 0) != 0)
      continue;
    for (const fs::directory_entry &file : fs::recursive_directory_iterator(zoo)) {
      std::string path = file.path().string();
      if (file.path().extension() == ".onnx") {
        ++models;
        auto m = readModel(path);
        llvm::Error error = m ? inlineFunctions(**m) : m.takeError();
        EXPECT_FALSE(error) << llvm::toString(std::move(error));
      } else if (file.path().extension() == ".pb") {
        ++tensors;
        auto t = readTensorFile(path);
        EXPECT_TRUE(bool(t)) << llvm::toString(t.takeError());
      }
    }
  }
  RecordProperty("models", models);
  std::printf("read %d models and %d tensors\n", models, tensors);
  EXPECT_GT(models, 0);
}
