// Products by tensor cores, in the tile interpreter, against the same products on a CPU: equal in
// every bit where sums are exact, and without findings.
#include "BlockTesting.h"
#include "GpuLaunch.h"
#include "TensorMatmul.h"
#include "WarpgroupTiles.h"
#include "qcc/Algorithms/FloatFormats.h"
#include "qcc/Gpu/Gpu.h"

using namespace qcc;
using namespace qcc::test;
using qcc::lower::test::GpuKernels;
using qcc::lower::test::HostBytes;

namespace {

/// Buffers of a launch by the slots that point to them.
class Operands {
public:
  template <typename T> std::vector<T> &make(Slot slot, int64_t count) {
    auto owner = std::make_shared<std::vector<T>>(count);
    slots[slot] = int64_t(owner->data());
    bytes.push_back({reinterpret_cast<char *>(owner->data()), int64_t(count * sizeof(T))});
    owners.push_back(owner);
    return *owner;
  }

  std::vector<int64_t> slots = std::vector<int64_t>(Slots);
  std::vector<HostBytes> bytes;

private:
  std::vector<std::shared_ptr<void>> owners;
};

/// A kernel for CPUs without any special instructions, and one for a GPU.
class Both {
public:
  Both(const char *level, const MatmulSpec &spec, int64_t fewTiles = kFewTiles)
      : spec(spec), plain(compileMatmul(*findTarget("scalar"), spec)),
        blocks(*findTarget(level), [&](mlir::ModuleOp m) {
          auto emit = [&](KernelBuilder &k, const MatmulSpec &s, const MatmulOperands &o,
                          MatmulEpilogue epilogue) {
            emitTensorMatmul(k, s, o, epilogue, fewTiles);
          };
          buildMatmul(m, "kernel", *findTarget(level), spec, emit);
        }) {}

  /// Results of both.
  std::pair<std::vector<float>, std::vector<float>> run(Operands &o, const Shape &s) {
    std::vector<float> &out = o.make<float>(Out, s.m * s.n);
    o.slots[M] = s.m, o.slots[N] = s.n, o.slots[K] = s.k, o.slots[OutStride] = s.n;
    int64_t tasks = matmulTasks(s.m, s.n), scratch = matmulScratchBytes(spec, s.k);
    std::fill(out.begin(), out.end(), -1.0f);
    launch(*plain, o.slots.data(), tasks, scratch);
    std::vector<float> want = out;
    std::fill(out.begin(), out.end(), -1.0f);
    EXPECT_EQ(blocks.launch(o.slots, o.bytes, tasks, 1, scratch), 0);
    return {out, want};
  }

  uint64_t bankConflicts() const { return blocks.extraPasses(); }

private:
  const MatmulSpec spec;
  std::unique_ptr<Jit> plain;
  GpuKernels blocks;
};

class TensorProducts : public testing::TestWithParam<const char *> {};
INSTANTIATE_TEST_SUITE_P(Gpus, TensorProducts, testing::Values("nvptx-sm_80", "nvptx-sm_90a"),
                         [](auto &i) {
                           std::string name = i.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

/// Numbers of rows for every shape of tiles, and all kinds of ends.
std::vector<Shape> tiles() {
  std::vector<Shape> s = {{1, 1, 1},    {9, 96, 520},  {16, 32, 256}, {17, 33, 260},
                          {64, 64, 64}, {65, 40, 300}, {1, 50, 2000}, {66, 8130, 70}};
  for (int64_t m = 2; m <= 70; m += integer(1, 16))
    s.push_back({m, integer(1, 100), integer(1, 400)});
  return s;
}

/// Some of many rows, for kernels that take the largest tiles for any number of them: several for a
/// block, and stages that are used again.
std::vector<Shape> largeTiles() { return {{66, 130, 1100}, {257, 150, 650}, {300, 20, 130}}; }

//===-- Codes of eight bits -------------------------------------------------------------------===//

void testBytes(const char *level, bool zeroPoints, const std::vector<Shape> &shapes,
               int64_t fewTiles = kFewTiles) {
  MatmulSpec spec;
  spec.kind = MatmulKind::W8A8;
  spec.weightZeroPoints = zeroPoints;
  Both kernels(level, spec, fewTiles);
  for (const Shape &s : shapes) {
    Operands o;
    int64_t n16 = roundUp(s.n, 16);
    o.slots[AStride] = roundUp(s.k, 64) + 64 * integer(0, 1), o.slots[ASumStride] = 1;
    for (uint8_t &v : o.make<uint8_t>(A, s.m * o.slots[AStride]))
      v = integer(0, 9) ? integer(0, 255) : 255 * integer(0, 1);
    std::vector<int8_t> w(s.n * s.k);
    for (int8_t &v : w)
      v = integer(0, 9) ? integer(-128, 127) : -128 + 255 * integer(0, 1);
    auto &packed = o.make<int8_t>(B, packedW8Bytes(s.n, s.k));
    auto &correction = o.make<int32_t>(BCorrection, n16);
    packW8({w.data(), s.n, s.k, s.k, 1}, 0, panels(s.n), 128, packed.data(), correction.data());
    for (float &v : o.make<float>(AScale, s.m))
      v = uniform(0.001f, 1);
    for (float &v : o.make<float>(BScale, n16))
      v = uniform(0.001f, 1);
    for (int32_t &v : o.make<int32_t>(BZero, n16))
      v = integer(-100, 100);
    for (int32_t &v : o.make<int32_t>(ASum, s.m))
      v = integer(-10000, 10000);
    auto [got, want] = kernels.run(o, s);
    expectSame(got, want, s, s.n);
    // Rows of 64 bytes, which tiles of many rows have, are copied two at a time and meet in one
    // bank. Groups of a warp read results side by side where all columns exist.
    if (s.m <= 64 && s.n % 32 == 0)
      EXPECT_EQ(kernels.bankConflicts(), 0u) << "M " << s.m << " N " << s.n << " K " << s.k;
    if (testing::Test::HasFailure())
      return;
  }
}
TEST_P(TensorProducts, BytesAreExact) { testBytes(GetParam(), false, tiles()); }
TEST_P(TensorProducts, BytesInLargeTiles) { testBytes(GetParam(), true, largeTiles(), 1); }
TEST_P(TensorProducts, BytesWithZeroPoints) {
  testBytes(GetParam(), true, {{5, 33, 100}, {35, 80, 500}});
}

//===-- Pairs of bf16 -------------------------------------------------------------------------===//

/// Rows that hold `number()`, of f32 or of bf16.
void makeRows(Operands &o, Elem elem, int64_t count, const std::function<float()> &number) {
  if (elem == Elem::F32)
    for (float &v : o.make<float>(A, count))
      v = number();
  else
    for (uint16_t &v : o.make<uint16_t>(A, count))
      v = bfloatFromFloat(number());
}

void testPairs(const char *level, Elem rows, const std::vector<Shape> &shapes,
               int64_t fewTiles = kFewTiles) {
  MatmulSpec spec;
  spec.a = rows, spec.b = Elem::BF16, spec.pairs = true;
  Both kernels(level, spec, fewTiles);
  for (Shape s : shapes) {
    Operands o;
    if (rows == Elem::BF16)
      o.slots[AStride] = s.k = roundUp(s.k, 8);
    else // rows of f32 may begin anywhere, but then go in small pieces
      o.slots[AStride] = s.m < 20 && s.n < 40 ? s.k + integer(0, 3) : roundUp(s.k, 4);
    // Numbers of bf16 with few bits, whose sums are the same in any order.
    auto number = [] { return float(integer(-16, 16)) / 16; };
    makeRows(o, rows, s.m * o.slots[AStride], number);
    std::vector<uint16_t> w(s.n * s.k);
    for (uint16_t &v : w)
      v = bfloatFromFloat(number());
    auto &packed = o.make<uint16_t>(B, packedPairBytes(s.n, s.k) / 2);
    packPairs({w.data(), s.n, s.k, s.k, 1}, 0, panels(s.n), packed.data());
    auto [got, want] = kernels.run(o, s);
    for (size_t i = 0; i < got.size(); ++i) // 0 may have either sign
      got[i] += 0.0f, want[i] += 0.0f;
    expectSame(got, want, s, s.n);
    if (testing::Test::HasFailure())
      return;
  }
}
TEST_P(TensorProducts, PairsOfFloats) { testPairs(GetParam(), Elem::F32, tiles()); }
TEST_P(TensorProducts, PairsOfBfloat) { testPairs(GetParam(), Elem::BF16, tiles()); }
TEST_P(TensorProducts, PairsInLargeTiles) {
  for (Elem rows : {Elem::F32, Elem::BF16})
    testPairs(GetParam(), rows, largeTiles(), 1);
}

//===-- Codes in blocks -----------------------------------------------------------------------===//

void testBlocks(const char *level, const BlockProduct &p, const std::vector<Shape> &shapes,
                bool extreme = false, int64_t fewTiles = kFewTiles) {
  SCOPED_TRACE("bits " + std::to_string(p.layout.bits) + " group " +
               std::to_string(p.layout.group) + " inputs " + std::to_string(p.inputs) + " aGroup " +
               std::to_string(p.aGroup) + " zeros " + std::to_string(int(p.layout.zeros)));
  MatmulSpec spec;
  spec.kind = MatmulKind::Block, spec.block = p;
  Both kernels(level, spec, fewTiles);
  for (const Shape &s : shapes) {
    Operands o;
    Weights w(p, s.n, s.k, extreme);
    std::ranges::copy(w.packed, o.make<uint8_t>(B, int64_t(w.packed.size())).begin());
    int64_t step = p.inputs ? p.inputs : s.k, steps = ceilDiv(s.k, step);
    int64_t groups = p.aGroup ? ceilDiv(s.k, p.aGroup) : 1;
    int64_t row = roundUp(roundUp(s.k, p.layout.group ? p.layout.group : step), 64);
    auto &codes = o.make<int8_t>(A, s.m * row);
    auto &sums = o.make<int32_t>(ASum, s.m * steps);
    for (int64_t m = 0; m < s.m; ++m)
      for (int64_t i = 0; i < s.k; ++i) {
        codes[m * row + i] = int8_t(extreme ? 127 - 254 * integer(0, 1) : integer(-127, 127));
        sums[m * steps + i / step] += codes[m * row + i];
      }
    for (float &v : o.make<float>(AScale, s.m * groups))
      v = uniform(0.001f, 1);
    o.slots[AStride] = row, o.slots[ASumStride] = steps, o.slots[AScaleStride] = groups;
    auto [got, want] = kernels.run(o, s);
    expectSame(got, want, s, s.n);
    if (testing::Test::HasFailure())
      return;
  }
}

/// Few rows, and more.
std::vector<Shape> fewShapes() { return {{3, 33, 321}, {18, 70, 161}, {66, 20, 90}}; }

TEST_P(TensorProducts, BlocksOfEveryWidth) {
  for (int bits = 1; bits <= 8; ++bits)
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed})
      testBlocks(GetParam(), product(bits, bits % 3 ? 32 : 64, BlockCore::Int8, zeros),
                 {fewShapes()[bits % 3]}, bits % 2);
}

TEST_P(TensorProducts, BlocksOfEveryShape) {
  std::vector<Shape> shapes = {{16, 64, 256}, {64, 64, 64}, {66, 8130, 40}, {1, 1, 1}};
  for (int64_t m = 1; m <= 70; m += integer(1, 16))
    shapes.push_back({m, integer(1, 100), integer(1, 700)});
  testBlocks(GetParam(), product(4, 32, BlockCore::Int8), shapes);
}

TEST_P(TensorProducts, BlocksOfEverySize) {
  for (int64_t group : {0, 16, 128, 256, 512})
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed}) {
      std::vector<Shape> shapes = {{5, 20, integer(300, 1200)}, {20, 33, integer(300, 600)}};
      testBlocks(GetParam(),
                 product(zeros == BlockZeros::None ? 4 : 8, group, BlockCore::Int8, zeros), shapes);
    }
}

TEST_P(TensorProducts, BlocksOfAllKinds) {
  BlockProduct grouped = product(4, 128, BlockCore::Int8, BlockZeros::Packed);
  grouped.inputs = grouped.aGroup = 32;
  testBlocks(GetParam(), grouped, fewShapes());
  BlockProduct rows = product(8, 0, BlockCore::Int8);
  rows.inputs = rows.aGroup = 64;
  testBlocks(GetParam(), rows, fewShapes());
  BlockProduct listed = product(3, 32, BlockCore::Int8);
  listed.value = CodeValue::Integers, listed.bias = 100, listed.unit = 0.25f;
  listed.integers = {0, 40, 80, 99, 101, 120, 160, 255}; // 155 is beyond a signed byte
  testBlocks(GetParam(), listed, {fewShapes()[1]});
  listed.bias = 127, listed.integers[7] = 254, listed.aSums = false;
  testBlocks(GetParam(), listed, {fewShapes()[0]});
  BlockProduct floats = product(4, 32, BlockCore::Int8);
  floats.value = CodeValue::Float4E2M1, floats.bias = 0, floats.layout.twoLevel = true;
  setScale(floats, ScaleForm::E4M3);
  testBlocks(GetParam(), floats, {fewShapes()[0]});
  BlockProduct binary = product(1, 32, BlockCore::Int8);
  binary.step = 2, binary.bias = 1, binary.aSums = false;
  testBlocks(GetParam(), binary, {fewShapes()[1]});
}

/// Of one row of tiles and of several, with whole stages and others.
std::vector<Shape> largeBlocks() { return {{70, 40, 300}, {140, 150, 256}, {66, 20, 90}}; }

TEST_P(TensorProducts, BlocksInLargeTiles) {
  int64_t i = 0;
  for (int64_t group : {0, 32, 64, 128})
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed})
      testBlocks(GetParam(), product(4, group, BlockCore::Int8, zeros), {largeBlocks()[i++ % 3]},
                 group == 64, 1);
  for (int bits : {1, 2, 3, 5, 8})
    testBlocks(GetParam(), product(bits, bits == 5 ? 0 : 32, BlockCore::Int8), {largeBlocks()[0]},
               bits == 8, 1);
  BlockProduct floats = product(4, 32, BlockCore::Int8);
  floats.value = CodeValue::Float4E2M1, floats.bias = 0, floats.layout.twoLevel = true;
  setScale(floats, ScaleForm::E4M3);
  testBlocks(GetParam(), floats, {largeBlocks()[1]}, false, 1);
}

//===-- Codes in blocks with floats -----------------------------------------------------------===//

/// Numbers of few bits in rows of f32 or bf16, or codes of them, and scales of powers of two: the
/// same sums in any order.
void testReals(const char *level, BlockProduct p, const std::vector<Shape> &shapes,
               Elem rows = Elem::F32, int64_t fewTiles = kFewTiles) {
  SCOPED_TRACE("bits " + std::to_string(p.layout.bits) + " group " +
               std::to_string(p.layout.group) + " value " + std::to_string(int(p.value)) +
               " zeros " + std::to_string(int(p.layout.zeros)));
  bool asCodes = rows == Elem::F8E4M3FN;
  MatmulSpec spec;
  spec.kind = MatmulKind::Block, spec.block = p, spec.pairs = true;
  spec.a = rows;
  ASSERT_TRUE(fitsTensorCores(spec));
  Both kernels(level, spec, fewTiles);
  for (Shape s : shapes) {
    Operands o;
    if (rows == Elem::BF16)
      s.k = roundUp(s.k, 8);
    Weights w(p, s.n, s.k);
    // Zero points and tables of few bits; what products of all of them add is exact.
    for (float &v : w.floatZeros)
      v = p.layout.bits == 8 ? float(integer(0, 255)) : float(integer(0, 255)) / 2;
    for (float &v : w.table)
      v = float(integer(-8, 8)) / 8;
    for (uint8_t &v : w.codes) {
      float value = valueOf(p, w.table, v);
      if (!(std::abs(value) <= 16 && std::abs(value) >= 1.0f / 16) && p.layout.bits == 8 &&
          p.value != CodeValue::Uniform)
        v = 0x38; // floats of 8 bits that are neither large nor small
    }
    w.pack(p, s.n, s.k);
    std::ranges::copy(w.packed, o.make<uint8_t>(B, int64_t(w.packed.size())).begin());
    auto number = [] { return float(integer(-4, 4)) / 4; };
    if (asCodes) {
      o.slots[AStride] = roundUp(s.k, 64);
      auto &codes = o.make<uint8_t>(A, s.m * o.slots[AStride]);
      for (int64_t i = 0; i < s.m * s.k; ++i) // behind K there are zeros
        codes[i / s.k * o.slots[AStride] + i % s.k] = miniFromFloat(kFloat8E4M3, number());
      for (float &v : o.make<float>(AScale, s.m))
        v = uniform(0.001f, 1);
    } else {
      o.slots[AStride] = rows == Elem::BF16 ? s.k
                         : s.m < 20         ? s.k + integer(0, 3)
                                            : roundUp(s.k, 4);
      makeRows(o, rows, s.m * o.slots[AStride], number);
    }
    auto [got, want] = kernels.run(o, s);
    for (size_t i = 0; i < got.size(); ++i) // 0 may have either sign
      got[i] += 0.0f, want[i] += 0.0f;
    expectSame(got, want, s, s.n);
    if (testing::Test::HasFailure())
      return;
  }
}

TEST_P(TensorProducts, RealsOfEveryWidth) {
  for (int bits = 1; bits <= 8; ++bits)
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed, BlockZeros::Float})
      testReals(GetParam(), product(bits, bits % 3 ? 32 : 16, BlockCore::Float, zeros),
                {fewShapes()[(bits + int(zeros)) % 3]}, bits % 2 ? Elem::F32 : Elem::BF16);
}

TEST_P(TensorProducts, RealsWithRowsOfPairs) {
  for (int64_t group : {0, 16, 32, 128})
    testReals(GetParam(), product(group == 32 ? 3 : 4, group, BlockCore::Float), fewShapes(),
              Elem::BF16);
}

TEST_P(TensorProducts, RealsInLargeTiles) {
  int64_t i = 0;
  for (int64_t group : {0, 16, 32, 64, 128})
    for (BlockZeros zeros : {BlockZeros::None, BlockZeros::Packed, BlockZeros::Float})
      testReals(GetParam(), product(group == 16 ? 8 : 4, group, BlockCore::Float, zeros),
                {largeBlocks()[i++ % 3]}, Elem::BF16, 1);
  for (int bits : {1, 2, 3, 6, 7})
    testReals(GetParam(), product(bits, bits == 6 ? 0 : 32, BlockCore::Float), {largeBlocks()[0]},
              Elem::BF16, 1);
  BlockProduct table = product(4, 64, BlockCore::Float);
  table.value = CodeValue::Table, table.layout.tableEntries = 16, table.layout.twoLevel = true;
  setScale(table, ScaleForm::U8);
  testReals(GetParam(), table, {largeBlocks()[1]}, Elem::BF16, 1);
  for (int64_t group : {0, 32}) {
    BlockProduct f8 = product(8, group, BlockCore::Float);
    f8.value = CodeValue::Float8E4M3;
    setScale(f8, ScaleForm::F32);
    testReals(GetParam(), f8, {largeBlocks()[0]}, Elem::BF16, 1);
  }
}

TEST_P(TensorProducts, RealsOfEverySize) {
  for (int64_t group : {0, 16, 64, 128, 256})
    testReals(GetParam(), product(4, group, BlockCore::Float, BlockZeros::Packed),
              {{5, 20, integer(300, 700)}, {20, 33, integer(100, 300)}, {66, 4090, 40}});
}

TEST_P(TensorProducts, RealsOfAllKinds) {
  BlockProduct table = product(4, 64, BlockCore::Float);
  table.value = CodeValue::Table, table.layout.tableEntries = 16, table.layout.twoLevel = true;
  setScale(table, ScaleForm::U8);
  testReals(GetParam(), table, fewShapes());
  BlockProduct many = product(6, 32, BlockCore::Float);
  many.value = CodeValue::Table, many.layout.tableEntries = 64;
  testReals(GetParam(), many, {fewShapes()[0]});
  BlockProduct f4 = product(4, 16, BlockCore::Float);
  f4.value = CodeValue::Float4E2M1, f4.layout.twoLevel = true;
  setScale(f4, ScaleForm::E4M3);
  testReals(GetParam(), f4, {fewShapes()[0], fewShapes()[1]});
  for (CodeValue value : {CodeValue::Float8E4M3, CodeValue::Float8E5M2}) {
    BlockProduct f8 = product(8, value == CodeValue::Float8E4M3 ? 0 : 32, BlockCore::Float);
    f8.value = value;
    setScale(f8, ScaleForm::F32);
    testReals(GetParam(), f8, fewShapes());
  }
}

BlockProduct float8Product(CodeValue value, int64_t group) {
  BlockProduct f8 = product(8, group, BlockCore::Float8);
  f8.value = value, f8.scalesRows = true;
  setScale(f8, ScaleForm::E8M0);
  return f8;
}

TEST_P(TensorProducts, CodesOfRealsOnBothSides) {
  for (CodeValue value : {CodeValue::Float8E4M3, CodeValue::Float8E5M2})
    for (int64_t group : {0, 64, 128, 256}) {
      // Tensor cores cut blocks of 256, which are added in turn then.
      int64_t most = group == 256 ? 256 : 700;
      testReals(GetParam(), float8Product(value, group),
                {{5, 20, integer(200, most)}, {20, 33, integer(100, most)}, {66, 4090, 160}},
                Elem::F8E4M3FN);
    }
}

TEST_P(TensorProducts, CodesOfRealsInLargeTiles) {
  for (CodeValue value : {CodeValue::Float8E4M3, CodeValue::Float8E5M2}) {
    int64_t i = 0;
    for (int64_t group : {0, 64, 128})
      testReals(GetParam(), float8Product(value, group), {largeBlocks()[i++]}, Elem::F8E4M3FN, 1);
    testReals(GetParam(), float8Product(value, 0), {largeBlocks()[1]}, Elem::F8E4M3FN, 1);
  }
}

//===-- Launches ------------------------------------------------------------------------------===//

MatmulSpec specOf(MatmulKind kind) {
  MatmulSpec spec;
  spec.kind = kind, spec.block = product(4, 32, BlockCore::Int8);
  if (kind == MatmulKind::F32)
    spec.b = Elem::BF16, spec.pairs = true;
  return spec;
}

TEST_P(TensorProducts, LaunchesAreToldWhatBlocksNeed) {
  const Target &target = *findTarget(GetParam());
  for (MatmulKind kind : {MatmulKind::W8A8, MatmulKind::Block, MatmulKind::F32}) {
    mlir::OwningOpRef<mlir::ModuleOp> module =
        mlir::ModuleOp::create(mlir::UnknownLoc::get(&testContext()));
    buildMatmul(*module, "kernel", target, specOf(kind));
    auto code = ptx::emitPtx(*module, target);
    ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
    ASSERT_EQ(code->kernels.size(), 1u);
    const ptx::PtxKernel &kernel = code->kernels[0];
    EXPECT_EQ(kernel.blockWorkers, 1);
    EXPECT_EQ(kernel.blockThreads,
              usesWarpgroups(target, specOf(kind)) ? 3 * ptx::kBlockThreads : ptx::kBlockThreads);
    EXPECT_GT(kernel.sharedBytes, 128 * 68 * 4); // the results of the largest tile
    EXPECT_LE(kernel.sharedBytes, target.sharedBytes);
  }
}

/// Rows that are copied as they are, blocks with a product of their own, and codes less zero points
/// that are signed bytes.
TEST(TensorProduct, UsesWarpgroups) {
  const Target &hopper = *findTarget("nvptx-sm_90a");
  MatmulSpec pairs = specOf(MatmulKind::F32), blocks = specOf(MatmulKind::Block);
  EXPECT_TRUE(usesWarpgroups(hopper, specOf(MatmulKind::W8A8)));
  EXPECT_TRUE(usesWarpgroups(hopper, blocks));
  EXPECT_FALSE(usesWarpgroups(*findTarget("nvptx-sm_89"), blocks));
  EXPECT_FALSE(usesWarpgroups(hopper, pairs));
  pairs.a = Elem::BF16;
  EXPECT_TRUE(usesWarpgroups(hopper, pairs));
  for (int64_t group : {16, 128, 256}) {
    MatmulSpec other = blocks;
    other.block.layout.group = other.block.inputs = group;
    EXPECT_EQ(usesWarpgroups(hopper, other), group == 128) << group;
    other.block.core = BlockCore::Float, other.pairs = true, other.a = Elem::BF16;
    EXPECT_EQ(usesWarpgroups(hopper, other), group == 128) << group;
    other.block.layout.zeros = BlockZeros::Packed; // blocks begin at multiples of 8 bytes
    EXPECT_FALSE(usesWarpgroups(hopper, other)) << group;
  }
  MatmulSpec wide = blocks, grouped = blocks;
  wide.block = product(8, 32, BlockCore::Int8, BlockZeros::Packed);
  EXPECT_FALSE(usesWarpgroups(hopper, wide));
  grouped.block.aGroup = 32;
  EXPECT_FALSE(usesWarpgroups(hopper, grouped));
}

/// Sums of floats are in the order that is promised, unless pairs are allowed.
TEST(TensorProduct, FitsTensorCores) {
  EXPECT_TRUE(fitsTensorCores(specOf(MatmulKind::W8A8)));
  EXPECT_TRUE(fitsTensorCores(specOf(MatmulKind::F32)));
  EXPECT_FALSE(fitsTensorCores(specOf(MatmulKind::Batched)));
  MatmulSpec exact = specOf(MatmulKind::F32);
  exact.pairs = false;
  EXPECT_FALSE(fitsTensorCores(exact));
  exact.pairs = true, exact.a = Elem::F16;
  EXPECT_FALSE(fitsTensorCores(exact));
  exact.a = Elem::BF16;
  EXPECT_TRUE(fitsTensorCores(exact));
  for (auto [inputs, fits] :
       {std::pair(0, true), {16, true}, {32, true}, {128, true}, {48, false}}) {
    MatmulSpec spec = specOf(MatmulKind::Block);
    spec.block.inputs = spec.block.layout.group = inputs;
    EXPECT_EQ(fitsTensorCores(spec), fits) << inputs;
    spec.block.core = BlockCore::Float;
    EXPECT_FALSE(fitsTensorCores(spec));
    spec.pairs = true;
    EXPECT_EQ(fitsTensorCores(spec), fits) << inputs;
  }
}

} // namespace
