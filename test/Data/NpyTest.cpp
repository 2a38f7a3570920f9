// Reading and writing .npy, good ones and hostile ones.
#include "DataTesting.h"
#include "qcc/Data/DataFiles.h"

using namespace qcc;
using namespace qcc::data;

/// An .npy file with this header text and payload.
static std::vector<uint8_t> npy(std::string header, size_t payload, int version = 1) {
  std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', static_cast<uint8_t>(version), 0};
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
    bytes.push_back(static_cast<uint8_t>(header.size() >> (8 * i)));
  bytes.insert(bytes.end(), header.begin(), header.end());
  for (size_t i = 0; i < payload; ++i)
    bytes.push_back(static_cast<uint8_t>(i + 1));
  return bytes;
}

static std::string dict(const std::string &descr, const std::string &shape,
                        const std::string &order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

TEST(Npy, EveryTypeRoundTrips) {
  for (uint32_t dtype : {QCC_F32, QCC_U8, QCC_I8, QCC_U16, QCC_I16, QCC_I32, QCC_I64, QCC_BOOL,
                         QCC_F16, QCC_F64, QCC_U32, QCC_U64}) {
    HostTensor tensor = tensorOf<int>(dtype, {2, 1, 2}, {0, 1, 1, 0});
    std::vector<uint8_t> bytes = formatNpy(tensor);
    EXPECT_EQ((bytes.size() - tensor.bytes()) % 64, 0u);
    auto back = parseNpy(bytes, "t");
    ASSERT_TRUE(static_cast<bool>(back)) << dtypeName(dtype).str();
    EXPECT_EQ(back->dtype(), dtype);
    EXPECT_EQ(back->dims(), tensor.dims());
    EXPECT_EQ(back->numbers(), tensor.numbers());
  }
}

TEST(Npy, ScalarsAndEmptyArrays) {
  auto scalar = parseNpy(formatNpy(tensorOf<int>(QCC_I64, {}, {7})), "t");
  ASSERT_TRUE(static_cast<bool>(scalar));
  EXPECT_EQ(scalar->rank(), 0);
  EXPECT_EQ(scalar->number(0), 7);
  auto empty = parseNpy(formatNpy(HostTensor(QCC_F32, {0, 3})), "t");
  ASSERT_TRUE(static_cast<bool>(empty));
  EXPECT_EQ(empty->dims(), llvm::ArrayRef<int64_t>({0, 3}));
}

TEST(Npy, BfloatIsWrittenAsFloat) {
  auto back = parseNpy(formatNpy(tensorOf<double>(QCC_BF16, {1}, {1.5})), "t");
  ASSERT_TRUE(static_cast<bool>(back));
  EXPECT_EQ(back->dtype(), uint32_t(QCC_F32));
  EXPECT_EQ(back->number(0), 1.5);
}

TEST(Npy, FortranOrderAndOtherByteOrder) {
  auto fortran = parseNpy(npy(dict("|u1", "(2, 3)", "True"), 6), "t");
  ASSERT_TRUE(static_cast<bool>(fortran));
  EXPECT_EQ(fortran->numbers(), (std::vector<double>{1, 3, 5, 2, 4, 6}));
  auto big = parseNpy(npy(dict(">u2", "(2,)"), 4), "t");
  ASSERT_TRUE(static_cast<bool>(big));
  EXPECT_EQ(big->numbers(), (std::vector<double>{0x0102, 0x0304}));
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<u2", "(2,)"), 4, 2), "t")), noDiag);
}

TEST(Npy, HostileFilesAreRefused) {
  EXPECT_EQ(codeOf(parseNpy({}, "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(2,)"), 7), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(1099511627776, 1099511627776)"), 8), "t")),
            Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(99999999999999999999,)"), 8), "t")),
            Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(-1,)"), 8), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(2,"), 8), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy("{'descr': '<f4'}", 8), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy("", 8), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<f4", "(2,)"), 8, 9), "t")), Diag::MalformedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("|O", "(2,)"), 8), "t")), Diag::UnsupportedData);
  EXPECT_EQ(codeOf(parseNpy(npy(dict("<U4", "(2,)"), 8), "t")), Diag::UnsupportedData);
  EXPECT_EQ(codeOf(parseNpy(
                npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 8), "t")),
            Diag::UnsupportedData);
}

TEST(Npy, EveryTruncationIsRefused) {
  std::vector<uint8_t> whole = formatNpy(tensorOf<int>(QCC_I64, {2, 2}, {1, 2, 3, 4}));
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(codeOf(parseNpy(llvm::ArrayRef(whole).take_front(length), "t")), Diag::MalformedData)
        << length;
}

TEST(Npy, MissingFilesAreFileErrors) {
  EXPECT_EQ(codeOf(readNpy("/nonexistent/x.npy")), Diag::CannotRead);
}
