// Reading .npz archives, good ones and hostile ones.
#include "DataTesting.h"
#include "qcc/Data/DataFiles.h"
#include "llvm/Support/Endian.h"
#include <zlib.h>

using namespace qcc;
using namespace qcc::data;

namespace {
/// What an entry claims instead of the truth.
struct Lie {
  std::optional<uint32_t> size = std::nullopt, packed = std::nullopt, offset = std::nullopt,
                          crc = std::nullopt;
  std::optional<uint16_t> method = std::nullopt, flags = std::nullopt;
};

/// Writes zip archives, with any field wrong if wanted.
class ZipWriter {
public:
  void add(const std::string &name, const std::vector<uint8_t> &data, bool deflated, Lie lie = {}) {
    std::vector<uint8_t> packed = deflated ? deflate(data) : data;
    uint32_t crc = lie.crc.value_or(static_cast<uint32_t>(crc32_z(0, data.data(), data.size())));
    uint32_t offset = static_cast<uint32_t>(bytes.size());
    uint16_t method = lie.method.value_or(deflated ? 8 : 0);
    uint32_t packedSize = lie.packed.value_or(static_cast<uint32_t>(packed.size()));
    uint32_t size = lie.size.value_or(static_cast<uint32_t>(data.size()));
    auto common = [&](std::vector<uint8_t> &to) {
      put16(to, lie.flags.value_or(0));
      put16(to, method);
      put32(to, 0);
      put32(to, crc);
      put32(to, packedSize);
      put32(to, size);
      put16(to, static_cast<uint16_t>(name.size()));
      put16(to, 0);
    };
    put32(bytes, 0x04034b50);
    put16(bytes, 20);
    common(bytes);
    bytes.insert(bytes.end(), name.begin(), name.end());
    bytes.insert(bytes.end(), packed.begin(), packed.end());
    put32(directory, 0x02014b50);
    put32(directory, 20 | 20 << 16);
    common(directory);
    put16(directory, 0);
    put16(directory, 0);
    put16(directory, 0);
    put32(directory, 0);
    put32(directory, lie.offset.value_or(offset));
    directory.insert(directory.end(), name.begin(), name.end());
    ++count;
  }

  std::vector<uint8_t> finish(std::optional<uint16_t> claimedCount = {},
                              std::optional<uint32_t> claimedOffset = {}) {
    std::vector<uint8_t> whole = bytes;
    whole.insert(whole.end(), directory.begin(), directory.end());
    put32(whole, 0x06054b50);
    put32(whole, 0);
    put16(whole, claimedCount.value_or(count));
    put16(whole, claimedCount.value_or(count));
    put32(whole, static_cast<uint32_t>(directory.size()));
    put32(whole, claimedOffset.value_or(static_cast<uint32_t>(bytes.size())));
    put16(whole, 0);
    return whole;
  }

private:
  static void put16(std::vector<uint8_t> &to, uint16_t value) {
    to.push_back(static_cast<uint8_t>(value));
    to.push_back(static_cast<uint8_t>(value >> 8));
  }
  static void put32(std::vector<uint8_t> &to, uint32_t value) {
    put16(to, static_cast<uint16_t>(value));
    put16(to, static_cast<uint16_t>(value >> 16));
  }
  static std::vector<uint8_t> deflate(const std::vector<uint8_t> &data) {
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::vector<uint8_t> packed(deflateBound(&stream, data.size()));
    stream.next_in = const_cast<uint8_t *>(data.data());
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = packed.data();
    stream.avail_out = static_cast<uInt>(packed.size());
    ::deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
  }

  std::vector<uint8_t> bytes, directory;
  uint16_t count = 0;
};

std::vector<uint8_t> sample() { return formatNpy(tensorOf<int>(QCC_I64, {2, 2}, {1, 2, 3, 4})); }

std::vector<uint8_t> archive(Lie lie, bool deflated = true) {
  ZipWriter zip;
  zip.add("x.npy", sample(), deflated, lie);
  return zip.finish();
}
} // namespace

TEST(Npz, StoredAndDeflated) {
  ZipWriter zip;
  zip.add("a.npy", sample(), true);
  zip.add("b.c.npy", sample(), false);
  auto arrays = parseNpz(zip.finish(), "t");
  ASSERT_TRUE(static_cast<bool>(arrays));
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_EQ((*arrays)[0].name, "a");
  EXPECT_EQ((*arrays)[1].name, "b.c");
  EXPECT_EQ((*arrays)[1].tensor.numbers(), (std::vector<double>{1, 2, 3, 4}));
}

TEST(Npz, LyingFieldsAreRefused) {
  EXPECT_EQ(codeOf(parseNpz(archive({}), "t")), noDiag);
  EXPECT_EQ(codeOf(parseNpz(archive({.size = 100}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.size = 200}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.size = 0}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.packed = 3}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.packed = 1u << 31}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.offset = 5}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.offset = 0xfffffff0}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.crc = 1}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.method = uint16_t(12)}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.method = uint16_t(0)}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.flags = uint16_t(1)}), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(archive({.size = 200}, false), "t")), Diag::MalformedData);
}

TEST(Npz, BombsAreBounded) {
  // More than deflate can give, refused before memory is taken.
  EXPECT_EQ(codeOf(parseNpz(archive({.size = 0xfffffff0}), "t")), Diag::MalformedData);
  // A true claim, above the limit.
  ZipWriter zip;
  zip.add("z.npy", std::vector<uint8_t>(1 << 20), true);
  EXPECT_EQ(codeOf(parseNpz(zip.finish(), "t", DataLimits{.maxBytes = 1 << 16})),
            Diag::MalformedData);
  // Two members over the same bytes.
  ZipWriter twice;
  twice.add("a.npy", sample(), true);
  twice.add("b.npy", sample(), true, {.offset = 0});
  EXPECT_EQ(codeOf(parseNpz(twice.finish(), "t")), Diag::MalformedData);
}

TEST(Npz, DirectoriesThatLieAreRefused) {
  ZipWriter zip;
  zip.add("a.npy", sample(), true);
  EXPECT_EQ(codeOf(parseNpz(zip.finish(/*claimedCount=*/2), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(zip.finish(65535), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(zip.finish({}, 1u << 31), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpz(zip.finish({}, 1), "t")), Diag::MalformedData);
}

TEST(Npz, NamesAreChecked) {
  ZipWriter other;
  other.add("a.txt", sample(), false);
  EXPECT_EQ(codeOf(parseNpz(other.finish(), "t")), Diag::MalformedData);
  ZipWriter twice;
  twice.add("a.npy", sample(), false);
  twice.add("a.npy", sample(), false);
  EXPECT_EQ(codeOf(parseNpz(twice.finish(), "t")), Diag::MalformedData);
}

TEST(Npz, EveryTruncationAndEveryByteSurvives) {
  std::vector<uint8_t> whole = archive({});
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_NE(codeOf(parseNpz(llvm::ArrayRef(whole).take_front(length), "t")), noDiag) << length;
  for (size_t at = 0; at < whole.size(); ++at)
    for (uint8_t value : {0x00, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> mutant = whole;
      mutant[at] = value;
      llvm::consumeError(parseNpz(mutant, "t").takeError()); // must return
    }
}
