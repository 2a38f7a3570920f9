// Rows of caches as codes: exact bytes of small rows, and the error of all others.
#include "Evaluate.h"
#include "Qnt/RowCodes.h"
#include <cmath>
#include <random>

using namespace qcc::reference;
using namespace qcc::reference::test;
using qcc::qnt::RowCodes;
using qcc::qnt::Storage;

namespace {

std::string attributes(Storage codes) {
  return std::string(" {codes = #qnt<storage ") + (codes == Storage::i8 ? "i8" : "u4") + ">}";
}
std::string vector(size_t size, const char *element) {
  return std::to_string(size) + "x" + element;
}

Reals encoded(Storage codes, const Reals &x) {
  int64_t bytes = RowCodes{codes, int64_t(x.size())}.bytes();
  return unary("encode_rows %x" + attributes(codes), vector(x.size(), "f32"), vector(bytes, "ui8"),
               x);
}
Reals decoded(Storage codes, const Reals &bytes, size_t channels) {
  return unary("decode_rows %x" + attributes(codes), vector(bytes.size(), "ui8"),
               vector(channels, "f32"), bytes);
}
Reals roundTrip(Storage codes, const Reals &x) {
  return decoded(codes, encoded(codes, x), x.size());
}

/// Rows of several widths and magnitudes, one with an outlier.
std::vector<Reals> someRows() {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  std::vector<Reals> rows;
  for (int width : {1, 7, 16, 31, 32, 33, 64, 80, 128})
    for (float magnitude : {1e-3f, 1.0f, 300.0f}) {
      Reals row;
      for (int i = 0; i < width; ++i)
        row.push_back(magnitude * normal(generator) * (i == 5 ? 20 : 1));
      rows.push_back(row);
    }
  return rows;
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double quietNan = std::numeric_limits<double>::quiet_NaN();

} // namespace

TEST(Cache, BytesOfInt8Rows) {
  // The scale is 1: 0x3f800000, little-endian.
  EXPECT_EQ(encoded(Storage::i8, {127, -127, 0.5, 1.5, -3}),
            (Reals{127, 129, 0, 2, 253, 0, 0, 0x80, 0x3f}));
}

TEST(Cache, BytesOfInt4Rows) {
  // 17 channels: bytes 0 and 16 are halves of byte 0. The step is 1, the minimum -2: 0x3c00,
  // 0xc000.
  Reals row = {-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 13};
  Reals bytes = {0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0x3c, 0, 0xc0};
  EXPECT_EQ(encoded(Storage::u4, row), bytes);
  EXPECT_EQ(decoded(Storage::u4, bytes, row.size()), row);
}

TEST(Cache, Int8ErrorIsHalfAStep) {
  for (const Reals &row : someRows()) {
    double most = 0;
    for (double x : row)
      most = std::max(most, std::fabs(x));
    Reals back = roundTrip(Storage::i8, row);
    for (size_t i = 0; i < row.size(); ++i)
      EXPECT_LE(std::fabs(back[i] - row[i]), most / 127 * 0.5001);
  }
}

TEST(Cache, Int4ErrorIsHalfAStepOfItsBlock) {
  for (const Reals &row : someRows())
    for (size_t first = 0; first < row.size(); first += RowCodes::block) {
      Reals back = roundTrip(Storage::u4, row);
      size_t end = std::min<size_t>(row.size(), first + RowCodes::block);
      double low = infinity, high = -infinity;
      for (size_t i = first; i < end; ++i)
        low = std::min(low, row[i]), high = std::max(high, row[i]);
      // The minimum and 15 steps are rounded to f16: half a unit in the last place of each.
      double rounding = (std::fabs(low) + (high - low)) * 0x1p-11 + 0x1p-24;
      for (size_t i = first; i < end; ++i)
        EXPECT_LE(std::fabs(back[i] - row[i]), (high - low) / 15 * 0.5001 + rounding);
    }
}

TEST(Cache, ZerosStayZerosAndBytesOfZeroAreZeros) {
  Reals none(33, 0.0);
  for (Storage codes : {Storage::i8, Storage::u4}) {
    EXPECT_EQ(roundTrip(codes, none), none);
    EXPECT_EQ(encoded(codes, Reals(33, -0.0)), encoded(codes, none));
    Reals bytes(RowCodes{codes, 33}.bytes(), 0.0);
    EXPECT_EQ(decoded(codes, bytes, 33), none);
  }
}

TEST(Cache, TinyRowsAreZeros) {
  Reals tiny(33, 1e-40);
  EXPECT_EQ(roundTrip(Storage::i8, tiny), Reals(33, 0.0));
  EXPECT_EQ(roundTrip(Storage::u4, tiny), Reals(33, 0.0));
}

TEST(Cache, LargeNumbersSaturateAsInt4) {
  Reals large(32, 1e6), both = large;
  both[3] = -1e6;
  EXPECT_EQ(roundTrip(Storage::u4, large), Reals(32, 65504.0));
  Reals back = roundTrip(Storage::u4, both);
  EXPECT_EQ(back[3], -65504);
  EXPECT_EQ(back[0], -65504 + 15 * 65504.0);
}

TEST(Cache, WhatIsNotFiniteIsNan) {
  for (double bad : {infinity, -infinity, quietNan}) {
    Reals row(64, 1.0);
    row[40] = bad;
    for (double x : roundTrip(Storage::i8, row))
      EXPECT_TRUE(std::isnan(x));
    Reals back = roundTrip(Storage::u4, row);
    for (size_t i = 0; i < row.size(); ++i)
      EXPECT_EQ(std::isnan(back[i]), i >= RowCodes::block) << i;
  }
}
