// Data sets on disk, and the files they are made of.
#include "qcc/Data/Samples.h"
#include "DataTesting.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/TestData.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/Support/FileSystem.h"
#include <set>

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

TEST_F(Samples, ALineOfTokensIsCutIntoWindows) {
  write("tokens.npy", tensorOf<int>(QCC_I32, {10}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  std::string file = folder + "/tokens.npy";
  SampleSet set = llvm::cantFail(SampleSet::open(file, {-1, 4}));
  EXPECT_EQ(set.count(), 2); // the tail of two is left out
  EXPECT_TRUE(set.isTokens());
  Sample sample = llvm::cantFail(set.get(1));
  EXPECT_EQ(sample.arrays["ids"].numbers(), (std::vector<double>{4, 5, 6, 7}));
  EXPECT_EQ(sample.arrays["ids"].dims(), llvm::ArrayRef<int64_t>({1, 4}));
  EXPECT_EQ(llvm::cantFail(SampleSet::open(file, {1, 4})).count(), 1);
  EXPECT_EQ(codeOf(SampleSet::open(file)), Diag::UsageError);
  EXPECT_EQ(codeOf(SampleSet::open(file, {-1, 11})), Diag::UnsuitableData);
  write("tokens.npy", tensorOf<int>(QCC_I32, {2, 4}, {0, 1, 2, 3, 4, 5, 6, 7}));
  SampleSet rows = llvm::cantFail(SampleSet::open(file, {-1, 2}));
  EXPECT_EQ(rows.count(), 4);
  EXPECT_EQ(llvm::cantFail(rows.get(2)).arrays["ids"].numbers(), (std::vector<double>{4, 5}));
  write("tokens.npy", HostTensor(QCC_F32, {4}));
  EXPECT_EQ(codeOf(SampleSet::open(file, {-1, 2})), Diag::UnsuitableData);
}

TEST_F(Samples, EqualSamplesHashAlikeInWhateverForm) {
  std::string one = folder + "/a", two = folder + "/b.npz";
  ASSERT_FALSE(fs::create_directory(one));
  HostTensor x = tensorOf<int>(QCC_I64, {3, 2}, {1, 2, 3, 4, 5, 6});
  write("a/x.npy", x);
  std::vector<NamedTensor> arrays;
  arrays.push_back({"x", x.clone()});
  ASSERT_EQ(codeOf(writeNpz(two, arrays)), noDiag);
  EXPECT_EQ(llvm::cantFail(readNpz(two))[0].tensor.numbers(), x.numbers());
  SampleSet a = llvm::cantFail(SampleSet::open(one)), b = llvm::cantFail(SampleSet::open(two));
  std::string hash = llvm::cantFail(a.contentHash());
  EXPECT_EQ(hash.size(), 64u);
  EXPECT_EQ(hash, llvm::cantFail(b.contentHash()));
  EXPECT_NE(hash, llvm::cantFail(b.select({0, 1}).contentHash()));
  EXPECT_NE(hash, llvm::cantFail(b.select({0, 2, 1}).contentHash()));
}

TEST_F(Samples, PartsArePutAsideBySeed) {
  write("x.npy", HostTensor(QCC_F32, {10, 1}));
  std::vector<double> numbers = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  write("x.npy", tensorOf(QCC_F32, {10, 1}, numbers));
  SampleSet set = llvm::cantFail(SampleSet::open(folder));
  auto [rest, aside] = set.split(0.2, 7);
  EXPECT_EQ(rest.count(), 8);
  EXPECT_EQ(aside.count(), 2);
  std::set<double> seen;
  for (const SampleSet *part : {&rest, &aside})
    for (int64_t i = 0; i < part->count(); ++i)
      seen.insert(llvm::cantFail(part->get(i)).arrays["x"].number(0));
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(llvm::cantFail(set.split(0.2, 7).second.contentHash()),
            llvm::cantFail(aside.contentHash()));
  EXPECT_EQ(set.select({3}).split(0.2, 0).second.count(), 0);
  EXPECT_EQ(set.select({3, 4}).split(0.01, 0).second.count(), 1);
}

TEST_F(Samples, PairsAreTwoSamplesEach) {
  write("a_input_ids.npy", tensorOf<int>(QCC_I64, {2, 1}, {1, 2}));
  write("b_input_ids.npy", tensorOf<int>(QCC_I64, {2, 1}, {3, 4}));
  write("gold.npy", tensorOf<int>(QCC_I64, {2}, {0, 1}));
  SampleSet set = llvm::cantFail(SampleSet::open(folder));
  EXPECT_EQ(set.count(), 4);
  Sample sample = llvm::cantFail(set.get(3));
  EXPECT_EQ(sample.arrays.size(), 1u);
  EXPECT_EQ(sample.arrays["input_ids"].number(0), 4);
}

TEST_F(Samples, BatchesHoldSamplesOfOneShape) {
  std::vector<std::vector<int>> ragged = {{1, 2}, {3, 4}, {5, 6, 7}, {8, 9}};
  for (size_t i = 0; i < ragged.size(); ++i) {
    std::vector<NamedTensor> arrays;
    int64_t length = static_cast<int64_t>(ragged[i].size());
    arrays.push_back({"input_ids", tensorOf(QCC_I32, {length}, ragged[i])});
    ASSERT_EQ(codeOf(writeNpz(folder + "/" + std::to_string(i) + ".npz", arrays)), noDiag);
  }
  PaperModel model;
  model.inputs = {{"tokens", QCC_I64, {"b", "s"}, "ids"}, {"m", QCC_I64, {"b", "s"}, "mask"}};
  SampleSet set = llvm::cantFail(SampleSet::open(folder));
  BatchReader reader(set, model, 8);
  std::vector<int64_t> sizes;
  while (auto batch = llvm::cantFail(reader.next())) {
    sizes.push_back(batch->count);
    EXPECT_EQ(batch->mask, 1);
    EXPECT_EQ(batch->inputs[0].dtype(), QCC_I64);
    EXPECT_EQ(batch->inputs[1].dims(), batch->inputs[0].dims());
    EXPECT_EQ(batch->inputs[1].number(0), 1);
    if (batch->first == 0)
      EXPECT_EQ(batch->inputs[0].numbers(), (std::vector<double>{1, 2, 3, 4}));
  }
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 1, 1}));
  model.inputs[0].dims[0] = "1";
  BatchReader single(set, model, 8);
  EXPECT_EQ(llvm::cantFail(single.next())->count, 1);
}
