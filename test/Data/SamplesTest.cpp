// Data sets on disk, and the files they are made of.
#include "qcc/Data/Samples.h"
#include "DataTesting.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/TestData.h"
#include "llvm/Support/FileSystem.h"

using namespace qcc;
using namespace qcc::data;
namespace fs = llvm::sys::fs;

namespace {
class Samples : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-samples", path));
    folder = path.str().str();
  }
  void TearDown() override { fs::remove_directories(folder); }
  void write(const std::string &name, const HostTensor &tensor) {
    ASSERT_EQ(codeOf(writeNpy(folder + "/" + name, tensor)), noDiag);
  }
  /// A float TensorProto: dims, data_type, raw_data, name.
  void writePb(const std::string &name, const std::string &tensorName, float value) {
    std::vector<uint8_t> bytes = {0x08, 1, 0x10, 1, 0x42, static_cast<uint8_t>(tensorName.size())};
    bytes.insert(bytes.end(), tensorName.begin(), tensorName.end());
    bytes.insert(bytes.end(), {0x4a, 4});
    const uint8_t *raw = reinterpret_cast<const uint8_t *>(&value);
    bytes.insert(bytes.end(), raw, raw + 4);
    ASSERT_EQ(codeOf(writeFileAtomically(folder + "/" + name, bytes)), noDiag);
  }
  std::string folder;
};
} // namespace

TEST_F(Samples, AFolderOfArraysIsCutAlongItsFirstAxis) {
  write("ids.npy", tensorOf<int>(QCC_I64, {3, 2}, {1, 2, 3, 4, 5, 6}));
  write("label.npy", tensorOf<int>(QCC_I64, {3}, {0, 1, 0}));
  auto samples = readSamples(folder);
  ASSERT_TRUE(static_cast<bool>(samples));
  ASSERT_EQ(samples->size(), 3u);
  EXPECT_EQ((*samples)[1].arrays["ids"].numbers(), (std::vector<double>{3, 4}));
  EXPECT_EQ((*samples)[1].arrays["ids"].dims(), llvm::ArrayRef<int64_t>({1, 2}));
  EXPECT_EQ((*samples)[1].arrays["label"].number(0), 1);
  EXPECT_EQ(llvm::cantFail(readSamples(folder, 2)).size(), 2u);
}

TEST_F(Samples, UnequalSampleAxesAreRefused) {
  write("a.npy", HostTensor(QCC_F32, {3, 2}));
  write("b.npy", HostTensor(QCC_F32, {4}));
  EXPECT_EQ(codeOf(readSamples(folder)), Diag::UnsuitableData);
}

TEST_F(Samples, EmptyAndMissing) {
  EXPECT_EQ(codeOf(readSamples(folder)), Diag::UnsuitableData);
  EXPECT_EQ(codeOf(readSamples(folder + "/none.npz")), Diag::CannotRead);
}

TEST_F(Samples, TestDataIsReadInTheOrderOfItsNumbers) {
  for (int i = 0; i < 12; ++i)
    writePb("input_" + std::to_string(i) + ".pb", "x" + std::to_string(i), static_cast<float>(i));
  writePb("output_0.pb", "y", 5);
  auto data = readTestData(folder);
  ASSERT_TRUE(static_cast<bool>(data));
  ASSERT_EQ(data->inputs.size(), 12u);
  EXPECT_EQ(data->inputs[10].name, "x10");
  EXPECT_EQ(data->inputs[10].tensor.number(0), 10);
  EXPECT_EQ(data->outputs.size(), 1u);
  auto samples = readSamples(folder);
  ASSERT_TRUE(static_cast<bool>(samples));
  EXPECT_EQ((*samples)[0].arrays.size(), 12u);
}

TEST_F(Samples, NamesComeBeforePositions) {
  std::vector<NamedTensor> tensors;
  tensors.push_back({"b", HostTensor()});
  tensors.push_back({"a", HostTensor()});
  std::vector<TensorInfo> signature = {{"a", QCC_F32, {}, ""}, {"b", QCC_F32, {}, ""}};
  EXPECT_EQ(llvm::cantFail(matchNames(tensors, signature, "d", "input")),
            (std::vector<size_t>{1, 0}));
  tensors[0].name = "";
  tensors[1].name = "other";
  EXPECT_EQ(llvm::cantFail(matchNames(tensors, signature, "d", "input")),
            (std::vector<size_t>{0, 1}));
  tensors.push_back({"c", HostTensor()});
  EXPECT_EQ(codeOf(matchNames(tensors, signature, "d", "input")), Diag::UnsuitableData);
}
