// External data stays beneath the model's folder and within its file.
#include "Onnx/Wire.h"
#include "OnnxTesting.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace qcc;
using namespace qcc::onnx;
using namespace qcc::test;

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

class ExternalData : public ::testing::Test {
protected:
  llvm::Expected<std::unique_ptr<Model>> read(const Entries &entries,
                                              const std::vector<int64_t> &dims = {4}) {
    WireWriter tensor = externalTensor("w", UInt8, dims, entries);
    return readModel(inner.write("model/m.onnx", model(graph({}).message(5, tensor)).str()));
  }
  void refuse(const std::string &location, Diag code) {
    expectContains(expectCode(read({{"location", location}}), code), "initializer[0] 'w'");
  }
  void SetUp() override {
    inner.write("model/data.bin", "0123456789");
    inner.write("model/sub/deep.bin", "abcd");
    inner.write("secret.bin", "secret");
  }
  TempFolder inner;
};

TEST_F(ExternalData, ReadsRanges) {
  auto m = expectOk(read({{"location", "data.bin"}, {"offset", "3"}, {"length", "4"}}));
  ASSERT_TRUE(m);
  const Tensor &w = m->graph.initializers[0];
  EXPECT_TRUE(w.isExternal());
  llvm::ArrayRef<uint8_t> bytes = w.bytes(*m);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "3456");
  ASSERT_EQ(m->files.size(), 2u);
  EXPECT_EQ(m->files[1].path, "data.bin");
  EXPECT_EQ(m->files[1].bytes().size(), 10u);
  EXPECT_TRUE(expectOk(read({{"location", "./sub//deep.bin"}})));
  EXPECT_TRUE(expectOk(read({{"location", "data.bin"}}, {10})));
  auto noted = expectOk(read({{"location", "data.bin"}, {"checksum", "?"}, {"color", "red"}}));
  ASSERT_TRUE(noted);
  ASSERT_EQ(noted->notes.size(), 1u);
  expectContains(noted->notes[0], "color");
}

TEST_F(ExternalData, OpensEachFileOnce) {
  WireWriter g = graph({});
  for (int i = 0; i < 5; ++i)
    g.message(5, externalTensor("w" + std::to_string(i), UInt8, {1},
                                {{"location", i % 2 ? "./data.bin" : "data.bin"},
                                 {"offset", std::to_string(i)}}));
  auto m = expectOk(readModel(inner.write("model/m.onnx", model(g).str())));
  ASSERT_TRUE(m);
  EXPECT_EQ(m->files.size(), 2u);
  EXPECT_EQ(m->graph.initializers[4].bytes(*m)[0], '4');
}

TEST_F(ExternalData, ExternalDataPath) {
  for (std::string location : {"", "/etc/passwd", "../secret.bin", "sub/../../secret.bin", "sub/..",
                               ".", "./", "sub/", "..", "//etc/passwd"})
    refuse(location, Diag::ExternalDataPath);
  refuse(std::string("data.bin\0x", 10), Diag::ExternalDataPath);
  refuse((inner.path / "secret.bin").string(), Diag::ExternalDataPath);
}

TEST_F(ExternalData, ExternalDataMissing) {
  refuse("none.bin", Diag::ExternalDataMissing);
  refuse("data.bin/x", Diag::ExternalDataMissing);
  refuse("*/_ORT_MEM_ADDR_/*", Diag::ExternalDataMissing);
  refuse(std::string(5000, 'x'), Diag::ExternalDataMissing);
}

TEST_F(ExternalData, ExternalDataLink) {
  namespace fs = std::filesystem;
  fs::create_symlink("data.bin", inner.file("model/near.bin"));
  fs::create_symlink("../secret.bin", inner.file("model/far.bin"));
  fs::create_directory_symlink("..", inner.file("model/up"));
  fs::create_hard_link(inner.file("secret.bin"), inner.file("model/hard.bin"));
  refuse("near.bin", Diag::ExternalDataLink);
  refuse("far.bin", Diag::ExternalDataLink);
  refuse("up/secret.bin", Diag::ExternalDataLink);
  refuse("hard.bin", Diag::ExternalDataLink);
}

TEST_F(ExternalData, ExternalDataKind) {
  ASSERT_EQ(::mkfifo(inner.file("model/pipe").c_str(), 0600), 0);
  refuse("pipe", Diag::ExternalDataKind);
  refuse("sub", Diag::ExternalDataKind);
}

TEST_F(ExternalData, ExternalDataRange) {
  for (const char *offset : {"7", "10", "11", "9223372036854775807"})
    expectCode(read({{"location", "data.bin"}, {"offset", offset}}), Diag::ExternalDataRange);
  expectCode(read({{"location", "data.bin"}}, {11}), Diag::ExternalDataRange);
  inner.write("model/empty.bin", "");
  expectCode(read({{"location", "empty.bin"}}), Diag::ExternalDataRange);
  EXPECT_TRUE(expectOk(read({{"location", "empty.bin"}}, {0})));
}

TEST_F(ExternalData, BadExternalEntry) {
  for (const char *bad :
       {"-1", "", "0x10", "1e3", " 1", "99999999999999999999", "18446744073709551615"}) {
    expectCode(read({{"location", "data.bin"}, {"offset", bad}}), Diag::BadExternalEntry);
    expectCode(read({{"location", "data.bin"}, {"length", bad}}), Diag::BadExternalEntry);
  }
  expectCode(read({{"offset", "1"}}), Diag::BadExternalEntry);
  expectCode(read({{"location", "data.bin"}, {"location", "data.bin"}}), Diag::BadExternalEntry);
  expectCode(read({{"location", "data.bin"}, {"offset", "1"}, {"offset", "2"}}),
             Diag::BadExternalEntry);
  expectCode(read({{"location", "data.bin"}, {"length", "5"}}), Diag::TensorSize);
}

TEST_F(ExternalData, FilesBeyondFourGiBAreSparseRanges) {
  constexpr uint64_t far = (uint64_t(5) << 30) + 1;
  int fd = ::open(inner.file("model/big.bin").c_str(), O_CREAT | O_WRONLY, 0600);
  ASSERT_GE(fd, 0);
  bool written = ::pwrite(fd, "tail", 4, static_cast<off_t>(far)) == 4;
  ::close(fd);
  if (!written)
    GTEST_SKIP() << "the file system holds no sparse file of 5 GiB";
  auto m = expectOk(read({{"location", "big.bin"}, {"offset", std::to_string(far)}}));
  ASSERT_TRUE(m);
  llvm::ArrayRef<uint8_t> bytes = m->graph.initializers[0].bytes(*m);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "tail");
  auto all = expectOk(read({{"location", "big.bin"}}, {5, 1 << 30}));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->graph.initializers[0].bytes(*all).size(), uint64_t(5) << 30);
}

TEST_F(ExternalData, BothWaysOfOpeningAgree) {
  namespace fs = std::filesystem;
  fs::create_symlink("data.bin", inner.file("model/near.bin"));
  fs::create_directory_symlink("sub", inner.file("model/dirlink"));
  int folder = ::open(inner.file("model").c_str(), O_PATH | O_DIRECTORY);
  ASSERT_GE(folder, 0);
  for (auto [path, code] : {std::pair("data.bin", 0),
                            {"sub/deep.bin", 0},
                            {"near.bin", ELOOP},
                            {"dirlink/deep.bin", ELOOP},
                            {"none", ENOENT},
                            {"sub/none", ENOENT},
                            {"data.bin/x", ENOTDIR}}) {
    int walked = openBeneathByComponent(folder, path);
    EXPECT_EQ(walked < 0 ? errno : 0, code) << path;
    int asked = openBeneathByKernel(folder, path);
    if (asked >= 0 || errno != ENOSYS) {
      EXPECT_EQ(asked < 0 ? errno : 0, code) << path;
    }
    ::close(walked);
    ::close(asked);
  }
  ::close(folder);
}

TEST_F(ExternalData, MissingFilesCanBeTolerated) {
  ReadOptions lenient;
  lenient.requireData = false;
  auto readLenient = [&](const std::string &location) {
    WireWriter tensor = externalTensor("w", UInt8, {4}, {{"location", location}});
    return readModel(inner.write("model/m.onnx", model(graph({}).message(5, tensor)).str()),
                     lenient);
  };
  auto m = expectOk(readLenient("none.bin"));
  ASSERT_TRUE(m);
  EXPECT_TRUE(m->graph.initializers[0].missing);
  EXPECT_TRUE(m->graph.initializers[0].bytes(*m).empty());
  expectCode(readLenient("../secret.bin"), Diag::ExternalDataPath);
}

TEST_F(ExternalData, ModelWithoutFolderInItsPath) {
  inner.write(
      "model/m.onnx",
      model(graph({}).message(5, externalTensor("w", UInt8, {4}, {{"location", "data.bin"}})))
          .str());
  auto before = std::filesystem::current_path();
  std::filesystem::current_path(inner.path / "model");
  EXPECT_TRUE(expectOk(readModel("m.onnx")));
  std::filesystem::current_path(before);
}

} // namespace
