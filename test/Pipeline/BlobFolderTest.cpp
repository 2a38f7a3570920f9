// Blobs are kept by their hash, once each.
#include "qcc/Pipeline/BlobFolder.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FileSystem.h"
#include <gtest/gtest.h>

using namespace qcc;
namespace fs = llvm::sys::fs;

namespace {

struct BlobFolderTest : testing::Test {
  BlobFolderTest() { context.loadDialect<qnt::QntDialect>(); }
  mlir::MLIRContext context;
  std::vector<uint8_t> bytes = {1, 2, 3};
};

TEST_F(BlobFolderTest, EqualBytesAreOneFile) {
  llvm::SmallString<128> folder;
  ASSERT_FALSE(fs::createUniqueDirectory("qcc-blobs", folder));
  {
    BlobFolder blobs((folder + "/blobs").str());
    auto first = blobs.add(context, bytes), second = blobs.add(context, bytes);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
    uint64_t size = 0;
    EXPECT_FALSE(fs::file_size((folder + "/blobs/" + first->getSha256()).str(), size));
    EXPECT_EQ(size, 3u);
  }
  fs::remove_directories(folder);
}

TEST_F(BlobFolderTest, FoldersThatCannotBeMade) {
  EXPECT_EQ(llvm::toString(BlobFolder("/dev/null/blobs").add(context, bytes).takeError()),
            "/dev/null/blobs: error QCC1102: Not a directory");
}

} // namespace
