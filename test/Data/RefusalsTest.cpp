// Refusals of data files and folders that other causes could hide: each is told by its message.
#include "DataTesting.h"
#include "qcc/Data/ArrayFile.h"
#include "qcc/Data/DataFiles.h"
#include "qcc/Data/Inputs.h"
#include "qcc/Data/Samples.h"
#include "qcc/Data/TestData.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <sys/resource.h>

using namespace qcc;
using namespace qcc::data;
namespace fs = llvm::sys::fs;

namespace {

class Refusals : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-refusals", path));
    folder = path.str().str();
  }
  void TearDown() override { fs::remove_directories(folder); }
  std::string write(const std::string &name, std::vector<uint8_t> bytes) {
    EXPECT_EQ(codeOf(writeFileAtomically(folder + "/" + name, bytes)), noDiag);
    return folder + "/" + name;
  }
  std::string folder;
};

template <typename T>
void expectFault(llvm::Expected<T> value, const std::string &code, const std::string &part) {
  std::string text = textOf(std::move(value));
  EXPECT_NE(text.find(code), std::string::npos) << text;
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(Refusals, Files) {
  expectFault(readNpy(folder + "/none.npy"), "QCC1101", "No such file or directory");
  expectFault(readNpz(folder + "/none.npz"), "QCC1101", "No such file or directory");
  expectFault(readTensor(folder + "/x.txt", "x"), "QCC1001", "not an .npy, .npz or .pb file");
}

TEST_F(Refusals, TensorFiles) {
  // dims 1, data_type 2: a string, and an empty tensor whose other sizes are beyond all bounds.
  expectFault(readPb(write("s.pb", {0x08, 1, 0x10, 8, 0x32, 1, 'a'})), "QCC1821",
              "tensors of type string are not inputs or outputs of models");
  std::vector<uint8_t> huge;
  for (int i = 0; i < 2; ++i)
    huge.insert(huge.end(), {0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20}); // 2^40
  huge.insert(huge.end(), {0x08, 0, 0x10, 1});
  expectFault(readPb(write("h.pb", huge)), "QCC1820", "does not match 0 bytes of data");
}

TEST_F(Refusals, Folders) {
  expectFault(readTestData(folder + "/none"), "QCC1101", "No such file or directory");
  expectFault(readArrays(folder), "QCC1808", "the folder holds no .npy files");
  auto none = [](llvm::StringRef) { return false; };
  EXPECT_TRUE(llvm::cantFail(filesIn(folder, none)).empty());
  expectFault(readArrays(folder + "/none"), "QCC1101", "no such file or folder");
  expectFault(readArrays(write("x.txt", {1})), "QCC1101",
              "not an .npz file or a folder of .npy files");
  expectFault(filesIn(folder + "/none", none), "QCC1101", "No such file or directory");
}

TEST_F(Refusals, FoldersThatCannotBeOpened) {
  // Folders need a descriptor; there is none left.
  struct rlimit before, none;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  auto samples = readSamples(folder);
  auto arrays = readArrays(folder);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  expectFault(std::move(samples), "QCC1101", "Too many open files");
  expectFault(std::move(arrays), "QCC1101", "Too many open files");
}

TEST_F(Refusals, ArraysReadByRows) {
  std::vector<NamedTensor> pair;
  pair.push_back({"a", HostTensor(QCC_F32, {2})});
  pair.push_back({"b", HostTensor(QCC_F32, {2})});
  std::string path = folder + "/pair.npz";
  ASSERT_EQ(codeOf(writeNpz(path, pair)), noDiag);
  auto buffer = llvm::MemoryBuffer::getFile(path);
  ASSERT_TRUE(static_cast<bool>(buffer));
  auto renamed = [&](llvm::StringRef from, llvm::StringRef to) {
    std::string text = (*buffer)->getBuffer().str();
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;)
      text.replace(at, from.size(), to);
    return write("renamed.npz", {text.begin(), text.end()});
  };
  expectFault(openArrays(renamed(".npy", ".txt")), "QCC1820",
              "member 'a.txt' is not an .npy array");
  expectFault(openArrays(renamed("b.npy", "a.npy")), "QCC1820", "two members named 'a'");
  expectFault(openArrays(folder + "/none"), "QCC1101", "no such file or folder");
  expectFault(openArrays(write("x.txt", {1})), "QCC1101",
              "not an .npz file, an .npy file or a folder of them");
}

TEST_F(Refusals, ArchivesThatCannotBeWritten) {
  auto fault = [&](llvm::ArrayRef<NamedTensor> arrays, const std::string &part) {
    std::string text = llvm::toString(writeNpz(folder + "/w.npz", arrays, /*maxBytes=*/1 << 20));
    EXPECT_NE(text.find("w.npz: error QCC1102: " + part), std::string::npos) << text;
    EXPECT_FALSE(fs::exists(folder + "/w.npz"));
  };
  fault(std::vector<NamedTensor>(1 << 16), "65536 arrays do not fit in one archive");
  std::vector<NamedTensor> large;
  large.push_back({std::string(70000, 'n'), HostTensor(QCC_F32, {1})});
  fault(large, "a name of 70004 bytes does not fit in an archive");
  large.front().name = "a";
  large.push_back({"b", HostTensor(QCC_F32, {1 << 18})});
  fault(large, "the arrays do not fit in 1048576 bytes");
}

TEST_F(Refusals, DataSets) {
  expectFault(readSamples(folder), "QCC1808", "the folder holds no .npy files");
  ASSERT_EQ(codeOf(writeNpy(folder + "/line.npy", HostTensor(QCC_I64, {8}))), noDiag);
  expectFault(readSamples(folder + "/line.npy"), "QCC1001", "a line of token ids needs --ctx N");
}

TEST_F(Refusals, SampleAxes) {
  ASSERT_EQ(codeOf(writeNpy(folder + "/a.npy", HostTensor(QCC_F32, {}))), noDiag);
  expectFault(readSamples(folder), "QCC1808", "does not have the leading sample axis of 'a'");
}

TEST_F(Refusals, RandomSpecs) {
  for (const char *text : {"x=f32", "x=f32[", "x=f32[1", "x=f32]1[", "x=f32[2000000x2000000]",
                           "x=f32[1]2..3", "x=f32[1]:1..1", "x=f32[1]:a..1"})
    expectFault(parseRandomSpec(text), "QCC1006", text);
  auto ranged = llvm::cantFail(parseRandomSpec("x=f32[]:-1..1"));
  EXPECT_TRUE(ranged.ranged);
  EXPECT_EQ(ranged.low, -1);
}

TEST_F(Refusals, GivenInputs) {
  PaperModel model;
  makeDecoder(model);
  expectFault(fitInput(model, 0, HostTensor(QCC_I32, {1, 2}), /*convert=*/false), "QCC1808",
              "is given values of type i32");
  expectFault(fitInput(model, 0, HostTensor(QCC_I64, {2}), /*convert=*/false), "QCC1808",
              "is given values of shape 2");
  expectFault(completeInputs(model, PartialInputs(5)), "QCC1008", "1 input(s) have no value");
}

TEST_F(Refusals, NamesOfTestData) {
  std::vector<NamedTensor> tensors;
  tensors.push_back({"a", HostTensor()});
  tensors.push_back({"a", HostTensor()});
  std::vector<TensorInfo> signature = {{"a", QCC_F32, {}, ""}, {"b", QCC_F32, {}, ""}};
  expectFault(matchNames(tensors, signature, "d", "input"), "QCC1808",
              "input 1 'a' matches no input of the model, which has 2");
}

} // namespace
