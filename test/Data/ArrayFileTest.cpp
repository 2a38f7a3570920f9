// Arrays read row by row, wherever they lie.
#include "qcc/Data/ArrayFile.h"
#include "DataTesting.h"
#include "qcc/Support/AtomicOutput.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

using namespace qcc;
using namespace qcc::data;
namespace fs = llvm::sys::fs;

namespace {
class ArrayFiles : public ::testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> path;
    ASSERT_FALSE(fs::createUniqueDirectory("qcc-arrays", path));
    folder = path.str().str();
  }
  void TearDown() override { fs::remove_directories(folder); }
  std::string write(const std::string &name, llvm::ArrayRef<uint8_t> bytes) {
    EXPECT_EQ(codeOf(writeFileAtomically(folder + "/" + name, bytes)), noDiag);
    return folder + "/" + name;
  }
  std::unique_ptr<ArrayFile> only(const std::string &path) {
    auto arrays = llvm::cantFail(openArrays(path));
    EXPECT_EQ(arrays.size(), 1u);
    return std::move(arrays[0]);
  }
  std::string folder;
};

/// The one member of a stored archive, deflated.
std::vector<uint8_t> deflated(llvm::ArrayRef<uint8_t> stored) {
  auto get = [&](size_t at, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i)
      value |= uint64_t(stored[at + i]) << 8 * i;
    return value;
  };
  size_t name = get(26, 2), size = get(22, 4), start = 30 + name;
  std::vector<uint8_t> packed(compressBound(size) + 64);
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = const_cast<uint8_t *>(stored.data()) + start;
  stream.avail_in = size;
  stream.next_out = packed.data();
  stream.avail_out = packed.size();
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  std::vector<uint8_t> head = stored.take_front(start).vec();
  std::vector<uint8_t> tail = stored.drop_front(start + size).vec();
  auto put = [](std::vector<uint8_t> &bytes, size_t at, uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
      bytes[at + i] = static_cast<uint8_t>(value >> 8 * i);
  };
  put(head, 8, 8, 2);
  put(head, 18, packed.size(), 4);
  put(tail, 10, 8, 2);
  put(tail, 20, packed.size(), 4);
  put(tail, tail.size() - 6, head.size() + packed.size(), 4);
  head.insert(head.end(), packed.begin(), packed.end());
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

std::vector<uint8_t> readAll(const std::string &path) {
  auto file = fs::openNativeFileForRead(path);
  llvm::SmallVector<char> text;
  llvm::cantFail(fs::readNativeFileToEOF(*file, text));
  fs::closeFile(*file);
  return {text.begin(), text.end()};
}

std::vector<NamedTensor> counting(int64_t rows, int64_t width) {
  HostTensor tensor(QCC_F32, {rows, width});
  for (int64_t i = 0; i < tensor.count(); ++i)
    tensor.as<float>()[i] = static_cast<float>(i / width);
  std::vector<NamedTensor> arrays;
  arrays.push_back({"x", std::move(tensor)});
  return arrays;
}
} // namespace

TEST_F(ArrayFiles, RowsInAnyOrder) {
  std::string stored = folder + "/s.npz";
  ASSERT_EQ(codeOf(writeNpz(stored, counting(100, 3))), noDiag);
  std::string packed = write("d.npz", deflated(readAll(stored)));
  ASSERT_EQ(codeOf(writeNpy(folder + "/x.npy", counting(100, 3)[0].tensor)), noDiag);
  EXPECT_EQ(llvm::cantFail(readNpz(packed))[0].tensor.count(), 300);
  for (const std::string &path : {stored, packed, folder + "/x.npy"}) {
    auto array = only(path);
    EXPECT_EQ(array->name, "x");
    EXPECT_EQ(array->dims, (std::vector<int64_t>{100, 3}));
    for (int64_t row : {0, 1, 50, 99, 7, 7}) {
      HostTensor rows = llvm::cantFail(array->rows(row, row + 1));
      EXPECT_EQ(rows.dims(), llvm::ArrayRef<int64_t>({1, 3}));
      EXPECT_EQ(rows.numbers(), std::vector<double>(3, double(row))) << path;
    }
    EXPECT_EQ(llvm::cantFail(array->rows(98, 100)).numbers(),
              (std::vector<double>{98, 98, 98, 99, 99, 99}));
    EXPECT_EQ(llvm::cantFail(array->rows(5, 5)).count(), 0);
  }
}

TEST_F(ArrayFiles, ColumnMajorArraysAreTurned) {
  std::string header = "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
  header.append(118 - header.size() - 1, ' ');
  header += '\n';
  std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (float value : {1.f, 4.f, 2.f, 5.f, 3.f, 6.f}) {
    const uint8_t *raw = reinterpret_cast<const uint8_t *>(&value);
    bytes.insert(bytes.end(), raw, raw + 4);
  }
  auto array = only(write("x.npy", bytes));
  EXPECT_EQ(llvm::cantFail(array->rows(1, 2)).numbers(), (std::vector<double>{4, 5, 6}));
  EXPECT_EQ(llvm::cantFail(array->rows(0, 1)).numbers(), (std::vector<double>{1, 2, 3}));
}

TEST_F(ArrayFiles, DamageIsFoundWhenOpened) {
  std::string stored = folder + "/s.npz";
  ASSERT_EQ(codeOf(writeNpz(stored, counting(100, 3))), noDiag);
  for (bool packed : {false, true}) {
    std::vector<uint8_t> bytes = readAll(stored);
    if (packed)
      bytes = deflated(bytes);
    bytes[bytes.size() / 2] ^= 0x10;
    EXPECT_EQ(codeOf(openArrays(write("bad.npz", bytes))), Diag::MalformedData) << packed;
  }
  EXPECT_EQ(codeOf(openArrays(write("empty.npy", {}))), Diag::MalformedData);
  EXPECT_EQ(codeOf(openArrays(folder + "/none.npz")), Diag::CannotRead);
  EXPECT_EQ(codeOf(openArrays(folder + "/x.txt")), Diag::CannotRead);
  // A folder that is called as an array is.
  ASSERT_FALSE(fs::create_directories(folder + "/sub/f.npy"));
  EXPECT_EQ(codeOf(openArrays(folder + "/sub")), Diag::CannotRead);
}

TEST_F(ArrayFiles, MemoryDoesNotGrowWithTheFile) {
  std::string file = folder + "/large.npz";
  constexpr int64_t rows = 192, width = 1 << 18; // 192 MB
  ASSERT_EQ(codeOf(writeNpz(file, counting(rows, width))), noDiag);
  pid_t child = fork();
  if (child == 0) {
    // A child of its own, since the peak of this process is that of writing the file.
    auto array = only(file);
    int64_t wrong = 0;
    for (int64_t row = 0; row < rows; ++row)
      wrong += llvm::cantFail(array->rows(row, row + 1)).number(0) != row;
    std::string status = "/proc/self/smaps_rollup";
    std::vector<uint8_t> text = readAll(status);
    llvm::StringRef all(reinterpret_cast<const char *>(text.data()), text.size());
    int64_t clean = 0;
    all.split("Private_Clean:")
        .second.ltrim()
        .take_until([](char c) { return c == ' '; })
        .getAsInteger(10, clean);
    int64_t shared = 0;
    all.split("Shared_Clean:")
        .second.ltrim()
        .take_until([](char c) { return c == ' '; })
        .getAsInteger(10, shared);
    // Pages of the file that are still held: at most what is kept between two releases.
    _exit(wrong == 0 && clean + shared < 80 * 1024 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}
