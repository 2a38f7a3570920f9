// Files that appear whole or not at all.
#include "qcc/Support/AtomicOutput.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace qcc;
namespace fs = llvm::sys::fs;

namespace {
std::string fault(llvm::StringRef path) {
  return llvm::toString(writeFileAtomically(path, "text"));
}

class AtomicOutput : public testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-atomic", path));
    folder = path.str().str();
  }
  void TearDown() override { fs::remove_directories(folder); }
  std::string folder;
};
} // namespace

TEST_F(AtomicOutput, ReplacesWhatIsThere) {
  std::string path = folder + "/f.txt";
  for (const char *text : {"a longer text", "short"}) {
    ASSERT_FALSE(static_cast<bool>(writeFileAtomically(path, llvm::StringRef(text))));
    auto buffer = llvm::MemoryBuffer::getFile(path);
    ASSERT_TRUE(static_cast<bool>(buffer));
    EXPECT_EQ((*buffer)->getBuffer(), text);
  }
}

TEST_F(AtomicOutput, LeavesAloneWhatIsNoFile) {
  std::string pipe =
      folder + "/pipe"; // never a device of the machine: without the check it would go
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(fault(pipe), pipe + ": error QCC1132: cannot write: not a regular file");
  ::unlink(pipe.c_str());
  EXPECT_NE(fault(folder).find("QCC1131"), std::string::npos) << fault(folder);
  EXPECT_NE(fault(folder + "/none/f").find("QCC1102"), std::string::npos);
  std::error_code code;
  EXPECT_EQ(fs::directory_iterator(folder, code), fs::directory_iterator()) << "left behind";
}
