// The packed layouts of codes in blocks: every width, ragged inputs and outputs, every part.
#include "qcc/Algorithms/Pack.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>
#include <vector>

using namespace qcc;

namespace {

std::mt19937 rng(11);
int integer(int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); }

struct Parts {
  std::vector<uint8_t> codes, scales, zeros;
  std::vector<float> floatZeros, super;

  Parts(const BlockLayout &layout, int64_t n, int64_t k)
      : codes(n * k), scales(n * layout.blocks(k) * layout.scaleBytes), zeros(n * layout.blocks(k)),
        floatZeros(zeros.size()), super(n) {}
  bool operator==(const Parts &) const = default;
};

Parts randomParts(const BlockLayout &layout, int64_t n, int64_t k) {
  Parts parts(layout, n, k);
  for (uint8_t &code : parts.codes)
    code = static_cast<uint8_t>(integer(0, (1 << layout.bits) - 1));
  for (uint8_t &byte : parts.scales)
    byte = static_cast<uint8_t>(integer(0, 255));
  for (uint8_t &zero : parts.zeros)
    if (layout.zeros == BlockZeros::Packed)
      zero = static_cast<uint8_t>(integer(0, (1 << layout.bits) - 1));
  for (float &zero : parts.floatZeros)
    if (layout.zeros == BlockZeros::Float)
      zero = static_cast<float>(integer(-99, 99)) / 8;
  for (float &value : parts.super)
    if (layout.twoLevel)
      value = static_cast<float>(integer(1, 99)) / 64;
  return parts;
}

void roundTrip(const BlockLayout &layout, int64_t n, int64_t k) {
  SCOPED_TRACE("bits " + std::to_string(layout.bits) + " group " + std::to_string(layout.group) +
               " N " + std::to_string(n) + " K " + std::to_string(k));
  Parts parts = randomParts(layout, n, k), back(layout, n, k);
  bool transposed = integer(0, 1);
  std::vector<uint8_t> kn(n * k);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j)
      kn[j * n + i] = parts.codes[i * k + j];
  BlockSource source{{parts.codes.data(), n, k, k, 1},
                     parts.scales.data(),
                     parts.zeros.data(),
                     parts.floatZeros.data(),
                     parts.super.data()};
  if (transposed)
    source.codes = {kn.data(), n, k, 1, n};
  int64_t bytes = layout.bytes(n, k) - layout.tableBytes(), half = panels(n) / 2;
  std::vector<uint8_t> packed(bytes + 64, 0xee);
  packBlocks(source, layout, half, panels(n), packed.data());
  packBlocks(source, layout, 0, half, packed.data());
  unpackBlocks(packed.data(), layout, n, k,
               {back.codes.data(), back.scales.data(), back.zeros.data(), back.floatZeros.data(),
                back.super.data()});
  EXPECT_EQ(parts, back);
  for (int64_t i = bytes; i < bytes + 64; ++i)
    EXPECT_EQ(packed[i], 0xee);
  // Inputs beyond K have code 0.
  int64_t last = layout.blocks(k) - 1, inputs = k - last * layout.group;
  const uint8_t *units = packed.data() + layout.headerBytes() + last * layout.blockBytes(k);
  for (int64_t i = inputs; i < layout.codeBytes(k) / layout.unitBytes() * layout.unit(); ++i)
    EXPECT_EQ(blockCode(units, layout, 0, i), 0);
}

TEST(Pack, BlocksComeBack) {
  for (int bits = 1; bits <= 8; ++bits)
    for (int64_t group : {0, 1, 4, 12, 16, 32, 100, 128})
      for (int turn = 0; turn < 4; ++turn) {
        BlockLayout layout;
        layout.bits = bits, layout.group = group;
        layout.scaleBytes = int64_t(1) << integer(0, 2);
        layout.zeros = BlockZeros(integer(0, 2));
        layout.twoLevel = integer(0, 1);
        roundTrip(layout, integer(1, 50), integer(1, 300));
      }
}

TEST(Pack, PlanesAddUp) {
  for (int bits = 1; bits <= 8; ++bits) {
    BlockLayout layout;
    layout.bits = bits;
    int sum = 0;
    for (int width : layout.planes())
      sum += width;
    EXPECT_EQ(sum, bits);
    EXPECT_EQ(layout.unitBytes() % 64, 0);
    EXPECT_EQ(layout.unitBytes() * 8, layout.unit() * kPanel * bits) << "no bit is lost";
  }
}

TEST(Pack, PlacesOfThreeBits) {
  BlockLayout layout;
  layout.bits = 3, layout.group = 32, layout.scaleBytes = 4, layout.zeros = BlockZeros::None;
  std::vector<uint8_t> codes(32), packed(layout.bytes(1, 32));
  codes[21] = 6; // the sixth sub-vector: low bits in its second vector, high bits in the third
  float scale = 2;
  packBlocks({{codes.data(), 1, 32, 32, 1}, &scale}, layout, 0, 1, packed.data());
  std::vector<uint8_t> want(packed.size());
  want[64 + 1] = 2 << 2;
  want[128 + 1] = 1 << 5;
  std::memcpy(&want[192], &scale, 4);
  EXPECT_EQ(packed, want);
}

TEST(Pack, TablesTakeWholeLines) {
  BlockLayout layout;
  layout.tableEntries = 2;
  EXPECT_EQ(layout.tableBytes(), 64);
  layout.tableEntries = 256;
  EXPECT_EQ(layout.tableBytes(), 1024);
  EXPECT_EQ(layout.bytes(17, 32), 1024 + 2 * layout.panelBytes(32));
}

} // namespace
