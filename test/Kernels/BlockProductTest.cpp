// Products with codes in blocks on every level of the host against plain loops, bit by bit: every
// width, kind of code, scale and core, ragged in all directions.
#include "AmxEmulator.h"
#include "BlockTesting.h"
#include <cmath>

using namespace qcc;
using namespace qcc::test;

namespace {

class BlockProducts : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, BlockProducts, testing::ValuesIn(levelsWithAmx()), levelName);

void setShape(std::vector<int64_t> &slots, const Shape &s, const Weights &w,
              std::vector<float> &out) {
  slots[M] = s.m, slots[N] = s.n, slots[K] = s.k;
  slots[B] = int64_t(w.packed.data()), slots[Out] = int64_t(out.data()), slots[OutStride] = s.n;
}

/// The sums of an integer core as the header defines them.
void checkInteger(Jit &jit, const BlockProduct &p, const Shape &s, bool extreme = false) {
  Weights w(p, s.n, s.k, extreme);
  const BlockLayout &layout = p.layout;
  bool isWide = p.core == BlockCore::Int16;
  int64_t step = p.inputs ? p.inputs : s.k, steps = ceilDiv(s.k, step);
  int64_t group = layout.group ? layout.group : s.k, blocks = layout.blocks(s.k);
  int64_t row = roundUp(roundUp(s.k, layout.group ? group : step), 64) + 64 * integer(0, 1);
  int64_t groups = p.aGroup ? ceilDiv(s.k, p.aGroup) : 1;
  std::vector<int32_t> a(s.m * row), sums(s.m * steps);
  std::vector<int8_t> bytes(s.m * row * (isWide ? 2 : 1));
  std::vector<float> aScale(s.m * groups), out(s.m * s.n, -1), want(out);
  for (int64_t i = 0; i < s.m * row; ++i) {
    if (i % row >= s.k) // behind K there are zeros
      continue;
    int top = isWide ? 32639 : 127;
    bool isEnd = extreme || integer(0, 9) == 0;
    a[i] = isEnd ? (integer(0, 1) ? top : -top) : integer(-top, top);
    int8_t low = int8_t(a[i]);
    int64_t at = i / row * row * 2 + i % row;
    bytes[isWide ? at + row : i] = low;
    if (isWide)
      bytes[at] = int8_t((a[i] - low) >> 8);
  }
  for (float &v : aScale)
    v = uniform(0.001f, 1);
  for (int64_t m = 0; m < s.m; ++m) {
    for (int64_t x = 0; x < s.k; ++x)
      sums[m * steps + x / step] += a[m * row + x];
    for (int64_t n = 0; n < s.n; ++n) {
      float acc = 0;
      for (int64_t t = 0; t < steps; ++t) {
        int64_t at = n * blocks + t * step / group;
        double sum = 0; // exact, also as a float when it is a multiple of the unit
        for (int64_t x = t * step; x < std::min(s.k, (t + 1) * step); ++x)
          sum +=
              (double(valueOf(p, w.table, w.codes[n * s.k + x])) - w.zero(p, at)) * a[m * row + x];
        float scale = w.scales[at];
        if (p.aGroup)
          scale *= aScale[m * groups + t * step / p.aGroup];
        acc = std::fma(float(sum), scale, acc);
      }
      want[m * s.n + n] = p.aGroup ? acc : acc * aScale[m];
    }
  }
  std::vector<int64_t> slots(Slots);
  setShape(slots, s, w, out);
  slots[A] = int64_t(bytes.data()), slots[AStride] = isWide ? 2 * row : row, slots[ALow] = row;
  slots[AScale] = int64_t(aScale.data()), slots[AScaleStride] = groups;
  slots[ASum] = p.aSums ? int64_t(sums.data()) : 0, slots[ASumStride] = steps;
  launch(jit, slots.data(), matmulTasks(s.m, s.n), fitsMatrixTiles(p) ? kBlockTileScratchBytes : 0);
  expectSame(out, want, s, s.n);
}

void checkFloat(Jit &jit, const BlockProduct &p, const Shape &s, Elem elem) {
  Weights w(p, s.n, s.k);
  int64_t blocks = p.layout.blocks(s.k), group = p.layout.group ? p.layout.group : s.k;
  std::vector<float> a(s.m * s.k), out(s.m * s.n, -1), want(out);
  std::vector<_Float16> half(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    half[i] = (_Float16)uniform(-1, 1);
    a[i] = elem == Elem::F16 ? float(half[i]) : uniform(-1, 1);
  }
  for (int64_t m = 0; m < s.m; ++m)
    for (int64_t n = 0; n < s.n; ++n) {
      float acc = 0;
      for (int64_t b = 0; b < blocks; ++b) {
        float t = 0;
        for (int64_t x = b * group; x < std::min(s.k, (b + 1) * group); ++x) {
          float value = valueOf(p, w.table, w.codes[n * s.k + x]) - w.zero(p, n * blocks + b);
          t = std::fma(a[m * s.k + x], value, t);
        }
        acc = std::fma(t, w.scales[n * blocks + b], acc);
      }
      want[m * s.n + n] = acc;
    }
  std::vector<int64_t> slots(Slots);
  setShape(slots, s, w, out);
  slots[A] = elem == Elem::F16 ? int64_t(half.data()) : int64_t(a.data()), slots[AStride] = s.k;
  launch(jit, slots.data(), matmulTasks(s.m, s.n));
  for (size_t i = 0; i < out.size(); ++i) // payloads of NaN are no part of the meaning
    if (std::isnan(out[i]) && std::isnan(want[i]))
      out[i] = want[i] = 0;
  expectSame(out, want, s, s.n);
}

std::unique_ptr<Jit> compile(const Target &target, const BlockProduct &p, Elem a = Elem::F32) {
  MatmulSpec spec;
  spec.kind = MatmulKind::Block;
  spec.a = a;
  spec.block = p;
  return compileMatmul(target, spec);
}

void check(const Target &target, const BlockProduct &p, Elem a = Elem::F32) {
  SCOPED_TRACE("bits " + std::to_string(p.layout.bits) + " group " +
               std::to_string(p.layout.group) + " inputs " + std::to_string(p.inputs) + " aGroup " +
               std::to_string(p.aGroup) + " core " + std::to_string(int(p.core)) + " zeros " +
               std::to_string(int(p.layout.zeros)) + " scale " + std::to_string(int(p.scale)) +
               " value " + std::to_string(int(p.value)));
  auto jit = compile(target, p, a);
  for (Shape s : {Shape{1, 1, 1},
                  {1, 140, 288},
                  {18, 33, 161},
                  {2, 33, 129},
                  {3, 16, 96},
                  {13, 70, 320},
                  {7, 130, integer(1, 400)},
                  {1, 20, integer(1, 700)},
                  {0, 16, 16}}) {
    if (p.core == BlockCore::Float)
      checkFloat(*jit, p, s, a);
    else
      checkInteger(*jit, p, s);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

TEST_P(BlockProducts, EveryWidthWithEightBitCodes) {
  for (int bits = 1; bits <= 8; ++bits)
    check(*GetParam(), product(bits, bits % 3 ? 32 : 64, BlockCore::Int8,
                               bits % 2 ? BlockZeros::None : BlockZeros::Packed));
}

TEST_P(BlockProducts, EveryWidthWithZeroPoints) {
  for (int bits : {3, 4, 5, 7, 8})
    check(*GetParam(), product(bits, 32, bits == 8 ? BlockCore::Int16 : BlockCore::Int8,
                               bits == 4 ? BlockZeros::None : BlockZeros::Packed));
}

TEST_P(BlockProducts, BlocksOfAnySize) {
  for (int64_t group : {1, 4, 12, 100, 128, 544}) // 544: zero points are not exact in float
    check(*GetParam(), product(8, group, BlockCore::Int8, BlockZeros::Packed));
  for (int64_t group : {7, 16, 128})
    check(*GetParam(), product(3, group, BlockCore::Int8));
}

TEST_P(BlockProducts, WholeRowsAreBlocks) {
  check(*GetParam(), product(4, 0, BlockCore::Int8));
  check(*GetParam(), product(5, 0, BlockCore::Int8, BlockZeros::Packed));
  check(*GetParam(), product(8, 0, BlockCore::Float));
  check(*GetParam(), product(3, 0, BlockCore::Float, BlockZeros::Packed));
  BlockProduct sixteen = product(8, 0, BlockCore::Int16);
  sixteen.inputs = 256;
  check(*GetParam(), sixteen);
}

TEST_P(BlockProducts, SixteenBitCodes) {
  check(*GetParam(), product(4, 32, BlockCore::Int16));
  check(*GetParam(), product(8, 256, BlockCore::Int16, BlockZeros::Packed));
  check(*GetParam(), product(8, 512, BlockCore::Int16, BlockZeros::Packed)); // beyond 2^31
  check(*GetParam(), product(2, 64, BlockCore::Int16));
}

TEST_P(BlockProducts, SumsAreComputedWhereTheyAreNotGiven) {
  for (BlockCore core : {BlockCore::Int8, BlockCore::Int16})
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed}) {
      BlockProduct p = product(4, 32, core, zeros);
      p.aSums = false;
      check(*GetParam(), p);
    }
  BlockProduct rows = product(6, 0, BlockCore::Int8);
  rows.aSums = false;
  check(*GetParam(), rows);
}

TEST_P(BlockProducts, GroupsOfActivations) {
  BlockProduct same = product(4, 32, BlockCore::Int8, BlockZeros::Packed);
  same.aGroup = 32;
  check(*GetParam(), same);
  BlockProduct wider = product(8, 32, BlockCore::Int8);
  wider.aGroup = 128;
  check(*GetParam(), wider);
  BlockProduct narrower = product(4, 128, BlockCore::Int8, BlockZeros::Packed);
  narrower.inputs = narrower.aGroup = 32;
  check(*GetParam(), narrower);
  BlockProduct rows = product(8, 0, BlockCore::Int8);
  rows.inputs = rows.aGroup = 64;
  check(*GetParam(), rows);
}

TEST_P(BlockProducts, TernaryAndBinary) {
  BlockProduct ternary = product(2, 64, BlockCore::Int8);
  ternary.bias = 1;
  check(*GetParam(), ternary);
  BlockProduct binary = product(1, 32, BlockCore::Int8);
  binary.step = 2, binary.bias = 1;
  check(*GetParam(), binary);
}

TEST_P(BlockProducts, CodebooksOfIntegers) {
  BlockProduct p = product(3, 32, BlockCore::Int8);
  p.value = CodeValue::Integers, p.bias = 100, p.unit = 0.25f;
  p.integers = {0, 40, 80, 99, 101, 120, 160, 255};
  check(*GetParam(), p);
}

TEST_P(BlockProducts, SmallFloatsAsIntegers) {
  BlockProduct mx = product(4, 32, BlockCore::Int8);
  mx.value = CodeValue::Float4E2M1, mx.bias = 0;
  setScale(mx, ScaleForm::E8M0);
  check(*GetParam(), mx);
  mx.core = BlockCore::Int16;
  check(*GetParam(), mx);
}

TEST_P(BlockProducts, EveryScale) {
  for (ScaleForm form : {ScaleForm::F32, ScaleForm::BF16, ScaleForm::E8M0, ScaleForm::E4M3}) {
    BlockProduct p = product(4, 32, BlockCore::Int8, BlockZeros::Packed);
    setScale(p, form);
    check(*GetParam(), p);
  }
  for (ScaleForm form : {ScaleForm::U8, ScaleForm::E4M3})
    for (BlockCore core : {BlockCore::Int8, BlockCore::Float}) {
      BlockProduct p = product(4, 32, core);
      setScale(p, form);
      p.layout.twoLevel = true;
      check(*GetParam(), p);
    }
}

//===-- Many rows in matrix tiles -------------------------------------------------------------===//

/// On the level that has them, or is closest to it.
class BlockTiles : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, BlockTiles, testing::Values(levelsWithAmx().front()), levelName);

/// Levels without AMX take the same way in loops of their own instructions.
void checkTiles(Target target, const BlockProduct &p, const std::vector<Shape> &shapes,
                bool extreme = false) {
  SCOPED_TRACE("bits " + std::to_string(p.layout.bits) + " inputs " + std::to_string(p.inputs) +
               " zeros " + std::to_string(int(p.layout.zeros)));
  target.hasTiles = true;
  ASSERT_TRUE(fitsMatrixTiles(p));
  auto jit = compile(target, p);
  for (const Shape &s : shapes) {
    checkInteger(*jit, p, s, extreme);
    if (testing::Test::HasFatalFailure())
      return;
  }
}

/// Several runs of decoded steps; every number of rows in the last tile; blocks of rows.
TEST_P(BlockProducts, EveryNumberOfRowsInMatrixTiles) {
  std::vector<Shape> shapes = {{112, 20, 64}, {193, 40, 100}, {16, 16, 1600}, {48, 64, 1100}};
  for (int64_t m = 1; m <= 70; ++m)
    shapes.push_back({m, integer(1, 80), integer(1, 300)});
  checkTiles(*GetParam(), product(4, 32, BlockCore::Int8), shapes);
}

TEST_P(BlockTiles, EveryWidth) {
  for (int bits = 1; bits <= 8; ++bits)
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed}) {
      std::vector<Shape> shapes = {{35, 33, 161}, {16, 40, integer(500, 700)}};
      checkTiles(*GetParam(), product(bits, 32, BlockCore::Int8, zeros), shapes);
      checkTiles(*GetParam(), product(bits, 0, BlockCore::Int8, zeros), shapes, /*extreme=*/true);
    }
}

TEST_P(BlockTiles, EveryStep) {
  for (int64_t group : {16, 32, 64, 128, 256, 512, 1024})
    for (int bits : {4, 8}) {
      BlockZeros zeros = bits == 4 ? BlockZeros::None : BlockZeros::Packed;
      std::vector<Shape> shapes = {{17, 20, integer(1, 300)}, {33, 18, integer(1000, 2200)}};
      checkTiles(*GetParam(), product(bits, group, BlockCore::Int8, zeros), shapes, bits == 8);
    }
}

TEST_P(BlockTiles, GroupsOfActivations) {
  for (auto [bits, group, inputs, aGroup] : {std::tuple{4, 32, 32, 32},
                                             {8, 32, 32, 128},
                                             {4, 128, 32, 32},
                                             {8, 0, 64, 64},
                                             {3, 0, 32, 256}}) {
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed}) {
      BlockProduct p = product(bits, group, BlockCore::Int8, zeros);
      p.inputs = inputs, p.aGroup = aGroup;
      checkTiles(*GetParam(), p, {{40, 33, 161}, {19, 18, integer(600, 1200)}});
    }
  }
}

TEST_P(BlockTiles, CodesOfAllKinds) {
  std::vector<Shape> shapes = {{21, 33, 161}};
  BlockProduct listed = product(3, 32, BlockCore::Int8);
  listed.value = CodeValue::Integers, listed.bias = 100, listed.unit = 0.25f;
  listed.integers = {0, 40, 80, 99, 101, 120, 160, 255}; // 155 is beyond a signed byte
  checkTiles(*GetParam(), listed, shapes);
  listed.bias = 127, listed.integers[7] = 254, listed.aSums = false;
  checkTiles(*GetParam(), listed, shapes, /*extreme=*/true);
  BlockProduct floats = product(4, 16, BlockCore::Int8);
  floats.value = CodeValue::Float4E2M1, floats.bias = 0, floats.layout.twoLevel = true;
  setScale(floats, ScaleForm::E4M3);
  checkTiles(*GetParam(), floats, shapes);
  BlockProduct binary = product(1, 32, BlockCore::Int8);
  binary.step = 2, binary.bias = 1, binary.aSums = false;
  checkTiles(*GetParam(), binary, shapes);
  BlockProduct unsignedCodes = product(8, 64, BlockCore::Int8);
  unsignedCodes.bias = 0;
  checkTiles(*GetParam(), unsignedCodes, shapes, /*extreme=*/true);
}

/// Where codes less zero points are no bytes, sums of activations must be there.
TEST(BlockProduct, FitsMatrixTiles) {
  BlockProduct p = product(8, 32, BlockCore::Int8, BlockZeros::Packed);
  EXPECT_TRUE(fitsMatrixTiles(p));
  p.aSums = false;
  EXPECT_FALSE(fitsMatrixTiles(p));
  p = product(7, 32, BlockCore::Int8, BlockZeros::Packed);
  p.aSums = false;
  EXPECT_TRUE(fitsMatrixTiles(p));
  for (int64_t inputs : {8, 48, 96, 2048})
    EXPECT_FALSE(fitsMatrixTiles(product(4, inputs, BlockCore::Int8))) << inputs;
  EXPECT_FALSE(fitsMatrixTiles(product(4, 32, BlockCore::Int16)));
  EXPECT_FALSE(fitsMatrixTiles(product(4, 32, BlockCore::Float)));
}

//===-- The float core ------------------------------------------------------------------------===//

TEST_P(BlockProducts, EveryWidthWithFloats) {
  for (int bits = 1; bits <= 8; ++bits)
    check(*GetParam(),
          product(bits, 32, BlockCore::Float, bits % 2 ? BlockZeros::None : BlockZeros::Packed));
  check(*GetParam(), product(4, 32, BlockCore::Float), Elem::F16);
  check(*GetParam(), product(4, 32, BlockCore::Float, BlockZeros::Float));
  for (int64_t group : {5, 16, 128})
    check(*GetParam(), product(4, group, BlockCore::Float));
}

TEST_P(BlockProducts, Codebooks) {
  for (int bits : {1, 2, 4, 5, 8}) {
    BlockProduct p = product(bits, 32, BlockCore::Float);
    p.value = CodeValue::Table, p.layout.tableEntries = 1 << bits;
    check(*GetParam(), p);
  }
}

TEST_P(BlockProducts, SmallFloats) {
  for (auto [value, bits] : {std::pair(CodeValue::Float4E2M1, 4),
                             {CodeValue::Float8E4M3, 8},
                             {CodeValue::Float8E5M2, 8}})
    for (int64_t group : {32, 0}) {
      BlockProduct p = product(bits, group, BlockCore::Float);
      p.value = value, p.bias = 0;
      check(*GetParam(), p);
    }
}

/// Each of the 256 codes of f8 by itself.
TEST_P(BlockProducts, EveryCodeOfSmallFloats) {
  for (CodeValue value : {CodeValue::Float8E4M3, CodeValue::Float8E5M2}) {
    MatmulSpec spec;
    spec.kind = MatmulKind::Block;
    spec.block = product(8, 4, BlockCore::Float);
    spec.block.value = value, spec.block.bias = 0;
    setScale(spec.block, ScaleForm::F32);
    auto jit = compileMatmul(*GetParam(), spec);
    std::vector<uint8_t> codes(256);
    for (int i = 0; i < 256; ++i)
      codes[i] = uint8_t(i);
    std::vector<float> one(256, 1), out(256);
    std::vector<uint8_t> packed(spec.block.layout.bytes(256, 1));
    packBlocks({{codes.data(), 256, 1, 1, 1}, one.data()}, spec.block.layout, 0, 16, packed.data());
    std::vector<int64_t> slots(Slots);
    slots[M] = slots[K] = slots[AStride] = 1, slots[N] = slots[OutStride] = 256;
    slots[A] = int64_t(one.data()), slots[B] = int64_t(packed.data());
    slots[Out] = int64_t(out.data());
    launch(*jit, slots.data(), matmulTasks(1, 256));
    for (int i = 0; i < 256; ++i) {
      float want = valueOf(spec.block, {}, codes[i]);
      EXPECT_TRUE(out[i] == want || (std::isnan(out[i]) && std::isnan(want)))
          << i << ": " << out[i] << " instead of " << want;
    }
  }
}

} // namespace
