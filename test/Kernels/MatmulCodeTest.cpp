// What matrix products compile to: the instructions meant for each level, no calls, and inner loops
// that keep their accumulators in registers.
#include "Jit.h"
#include "qcc/Kernels/Matmul.h"
#include "qcc/Target/Costs.h"
#include "gtest/gtest.h"
#include <map>
#include <regex>
#include <sstream>

using namespace qcc;
using Value = mlir::Value;

namespace {

std::string code(const char *level, const MatmulSpec &spec, const CostTable *costs = nullptr) {
  const Target &target = *findTarget(level);
  return Jit::assembly(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "matmul", target, costs);
    MatmulOperands o;
    int n = 0;
    for (Value *v : {&o.m, &o.n, &o.k, &o.aStride, &o.aSumStride, &o.bStride, &o.batchCount0,
                     &o.batchCount1, &o.aBatch0, &o.aBatch1, &o.bBatch0, &o.bBatch1})
      *v = k.argI64(n++);
    for (Value *v : {&o.a, &o.b, &o.aScale, &o.aSum, &o.bScale, &o.bCorrection})
      *v = k.argPtr(n++);
    Value out = k.argPtr(n);
    emitMatmul(k, spec, o, [&](const MatmulResult &r) {
      k.vstore(Elem::F32, r.acc, out, k.add(k.mul(r.row, o.n), r.col), r.lanes);
    });
    k.finish();
  });
}

std::string code(const char *level, MatmulKind kind, const BlockProduct &block = {},
                 const CostTable *costs = nullptr) {
  MatmulSpec spec;
  spec.kind = kind, spec.block = block;
  return code(level, spec, costs);
}

MatmulSpec pairsOfBfloat() {
  MatmulSpec spec;
  spec.b = Elem::BF16, spec.pairs = true;
  return spec;
}

/// The innermost loops: text between a label and a jump back to it that holds no other such loop.
std::vector<std::string> innerLoops(const std::string &assembly) {
  std::vector<std::string> lines, loops;
  std::map<std::string, size_t> labels;
  size_t innermost = 0; ///< where the last loop begins
  std::istringstream text(assembly);
  for (std::string line; std::getline(text, line); lines.push_back(line)) {
    std::smatch m;
    if (std::regex_match(line, m, std::regex(R"((\.L\w+):.*)")))
      labels[m[1]] = lines.size() + 1;
    if (!std::regex_match(line, m,
                          std::regex(R"(\t(?:j\w+|b|b\.\w+|[ct]bn?z)\t(?:.*, )?(\.L\w+))")) ||
        !labels.count(m[1]) || labels[m[1]] <= innermost)
      continue;
    innermost = labels[m[1]];
    loops.emplace_back();
    for (size_t i = innermost; i < lines.size(); ++i)
      loops.back() += lines[i] + "\n";
  }
  return loops;
}

int count(const std::string &text, const std::string &pattern) {
  std::regex r(pattern);
  return std::distance(std::sregex_iterator(text.begin(), text.end(), r), std::sregex_iterator());
}

/// The largest number of matches in an inner loop, and that no such loop moves vectors to the
/// stack.
void expectLoop(const char *level, const std::string &assembly, const char *operation,
                int atLeast) {
  int most = 0;
  for (const std::string &loop : innerLoops(assembly)) {
    int n = count(loop, operation);
    most = std::max(most, n);
    if (n > 0)
      EXPECT_EQ(count(loop, R"(vmov\w+\t%[xyz]mm\d+, [\w-]*\(%r[sb]p|\tst[rp]\tq.*\[sp)"), 0)
          << level << "\n"
          << loop;
  }
  EXPECT_GE(most, atLeast) << level << " " << operation;
}

void expectLoop(const char *level, MatmulKind kind, const char *operation, int atLeast,
                const BlockProduct &block = {}, const CostTable *costs = nullptr) {
  expectLoop(level, code(level, kind, block, costs), operation, atLeast);
}

/// The tiles that registers are said to hold. Measured ones may hold more, and be faster for it.
TEST(MatmulCode, KeepsAccumulatorsInRegisters) {
  auto expectTile = [](const char *level, MatmulKind kind, RegisterTile tile, const char *operation,
                       int atLeast) {
    CostTable table;
    table.target = level;
    table.tiles = {{kind == MatmulKind::F32 ? "f32" : "w8a8", 1, tile, 1}};
    expectLoop(level, kind, operation, atLeast, {}, &table);
  };
  expectTile("x86-avx512-vnni", MatmulKind::F32, {6, 4}, R"(\tvfmadd\w+\t.*%zmm)", 24);
  expectTile("x86-avx512-vnni", MatmulKind::W8A8, {6, 4}, R"(\tvpdpbusd\t.*%zmm)", 24);
  expectTile("x86-avx512-base", MatmulKind::W8A8, {4, 4}, R"(\tvpmaddwd\t.*%zmm)", 32);
  expectTile("x86-64-v3", MatmulKind::F32, {5, 1}, R"(\tvfmadd\w+\t.*%ymm)", 10);
  expectTile("x86-64-v3", MatmulKind::W8A8, {3, 1}, R"(\tvpmaddwd\t.*%ymm)", 12);
}

// Five rows take their codes from lanes; four rows of two pairs, two steps of K each, and lone rows
// of four panels.
TEST(MatmulCode, KeepsAccumulatorsInRegistersOnArm) {
  const char *lanes = R"(\tsdot\tv\d+\.4s, v\d+\.16b, v\d+\.4b\[[0-3]\])";
  expectLoop("aarch64-dotprod", MatmulKind::W8A8, lanes, 5 * 4 * 4);
  expectLoop("aarch64-i8mm", MatmulKind::W8A8, R"(\tusmmla\t)", 4 * 4);
  expectLoop("aarch64-i8mm", MatmulKind::W8A8, R"(\tsudot\t.*\.4b\[[0-3]\])", 4 * 4 * 4);
  expectLoop("aarch64-neon", MatmulKind::W8A8, R"(\tsmull2?\t)", 8);
  BlockProduct four; // 32 inputs of two rows
  expectLoop("aarch64-dotprod", MatmulKind::Block, lanes, 2 * 8 * 4, four);
  expectLoop("aarch64-i8mm", MatmulKind::Block, R"(\tusdot\t.*\.4b\[[0-3]\])", 2 * 8 * 4, four);
}

/// Rows of A are pairs of bf16 already; elsewhere the weights are widened.
TEST(MatmulCode, MultipliesPairsOfBfloat) {
  auto expect = [](const char *level, const char *operation, int atLeast) {
    expectLoop(level, code(level, pairsOfBfloat()), operation, atLeast);
  };
  expect("x86-avx512-bf16", R"(\tvdpbf16ps\t.*%zmm)", 24);
  expect("x86-avx512-vnni", R"(\tvfmadd\w+\t.*%zmm)", 40);
  expect("x86-64-v3", R"(\tvfmadd\w+\t.*%ymm)", 20);
  std::string text = code("x86-avx512-bf16", pairsOfBfloat());
  EXPECT_GT(count(text, R"(\tvcvtneps2bf16\t)"), 0);
  for (const char *level : {"x86-avx512-vnni", "x86-64-v3", "aarch64-i8mm"})
    EXPECT_EQ(count(code(level, pairsOfBfloat()), R"(\tvdpbf16ps|vcvtn\w+|bf\w+\t)"), 0) << level;
}

/// Bodies of functions whose names hold `part`.
std::vector<std::string> functionsNamed(const std::string &assembly, const std::string &part) {
  std::vector<std::string> bodies;
  std::istringstream lines(assembly);
  std::string line;
  bool inside = false;
  while (std::getline(lines, line)) {
    if (std::smatch m; std::regex_match(line, m, std::regex(R"(([\w.]+):.*)")) && line[0] != '.')
      if ((inside = line.find(part) < line.find(':')))
        bodies.emplace_back();
    inside &= line.rfind(".Lfunc_end", 0) != 0;
    if (inside)
      bodies.back() += line + "\n";
  }
  return bodies;
}

/// Tiles are configured once a kernel call; a step of K is loads and products of tiles, and what
/// moves on in memory.
void expectTiles(const std::string &text, const std::string &operation) {
  EXPECT_EQ(count(text, R"(\tldtilecfg\t)"), 1);
  EXPECT_EQ(count(text, R"(\ttilerelease\n)"), 1);
  EXPECT_EQ(count(text, R"(\tsttilecfg\t)"), 0);
  EXPECT_EQ(functionsNamed(text, "matmul.tiles").size(), 2u);
  for (auto [rows, loads, products] : {std::tuple{"16", 3, 2}, {"32", 4, 4}}) {
    std::vector<std::string> tiles = functionsNamed(text, std::string("matmul.tiles") + rows);
    ASSERT_EQ(tiles.size(), 1u) << rows;
    EXPECT_EQ(count(tiles[0], R"(\ttilestored\t)"), products); // each sum once: no spills
    std::vector<std::string> loops = innerLoops(tiles[0]);
    ASSERT_EQ(loops.size(), 1u) << tiles[0];
    EXPECT_EQ(count(loops[0], R"(\ttileloadd\t)"), loads);
    EXPECT_EQ(count(loops[0], "\t" + operation + "\t"), products);
    EXPECT_EQ(count(loops[0], R"(%[xyz]mm|%r[sb]p|\tcall)"), 0) << loops[0];
    EXPECT_LE(count(loops[0], R"(\n)"), loads + products + 8) << loops[0];
  }
}

TEST(MatmulCode, MultipliesInMatrixTiles) {
  expectTiles(code("x86-amx", MatmulKind::W8A8), "tdpbusd");
  expectTiles(code("x86-amx", pairsOfBfloat()), "tdpbf16ps");
  for (MatmulKind kind : {MatmulKind::F32, MatmulKind::Batched})
    EXPECT_EQ(count(code("x86-amx", kind), "tile(cfg|load|release)"), 0);
}

/// Symmetric codes of four bits, with a scale for as many inputs.
BlockProduct fourBits(int64_t inputs) {
  BlockProduct p;
  p.layout.zeros = BlockZeros::None, p.bias = 8;
  p.layout.group = p.inputs = inputs;
  return p;
}

/// Two steps are multiplied before a loop and in it, and one behind it, from tiles of A that short
/// steps share; the accumulators of 16 rows stay in registers beside them.
TEST(MatmulCode, MultipliesStepsInMatrixTiles) {
  for (auto [inputs, loads] : {std::pair{16, 1 + 2}, {32, 1 + 2}, {64, 2 + 2}}) {
    std::string text = code("x86-amx", MatmulKind::Block, fourBits(inputs));
    EXPECT_EQ(count(text, R"(\tldtilecfg\t)"), 1);
    EXPECT_EQ(count(text, R"(\ttilerelease\n)"), 1);
    EXPECT_EQ(count(text, R"(\tsttilecfg\t)"), 0);
    std::vector<std::string> tiles = functionsNamed(text, "matmul.tiles16");
    ASSERT_EQ(tiles.size(), 1u);
    EXPECT_EQ(count(tiles[0], R"(\ttdpbssd\t)"), 2 + 2 + 1) << inputs;
    EXPECT_EQ(count(tiles[0], R"(\ttileloadd\t)"), loads + loads + 2) << inputs;
    EXPECT_EQ(count(tiles[0], R"(\ttilestored\t)"), 2 + 2 + 1); // each sum once: no spills
    EXPECT_EQ(count(tiles[0], R"(%zmm.*\(%r[sb]p|\(%r[sb]p.*%zmm|\tcall)"), 0) << tiles[0];
    std::vector<std::string> codes = functionsNamed(text, "matmul.tilecodes");
    ASSERT_EQ(codes.size(), 1u);
    EXPECT_EQ(count(codes[0], R"(%zmm.*\(%r[sb]p|\(%r[sb]p.*%zmm|\tcall)"), 0) << codes[0];
  }
  BlockProduct floats = fourBits(32);
  floats.core = BlockCore::Float;
  EXPECT_EQ(count(code("x86-amx", MatmulKind::Block, floats), "tile(cfg|load|release)"), 0);
}

TEST(MatmulCode, UsesTheInstructionsOfTheLevel) {
  std::string vnni = code("x86-avx512-vnni", MatmulKind::Block);
  EXPECT_GT(count(vnni, R"(vpdpbusd\t.*\{1to16\})"), 0); // activations broadcast from memory
  EXPECT_EQ(count(vnni, "vpmaddubsw"), 0);
  std::string base = code("x86-avx512-base", MatmulKind::Block);
  EXPECT_GT(count(base, "vpmaddubsw"), 0);
  EXPECT_EQ(count(base, "vpdpbusd"), 0);
  std::string v3 = code("x86-64-v3", MatmulKind::W8A8);
  EXPECT_EQ(count(v3, "%zmm|vpmaddubsw"), 0);
  EXPECT_GT(count(v3, "vpmaddwd"), 0);
  for (MatmulKind kind : {MatmulKind::W8A8, MatmulKind::Block}) {
    EXPECT_EQ(count(code("aarch64-neon", kind), R"(\t[us]+(dot|mmla)\t)"), 0);
    EXPECT_EQ(count(code("aarch64-dotprod", kind), R"(\t(u|us|su)dot\t|mmla\t|\tsmull2?\t)"), 0);
  }
}

TEST(MatmulCode, LooksValuesUpInRegisters) {
  BlockProduct table, mxfp4;
  table.layout.zeros = mxfp4.layout.zeros = BlockZeros::None;
  table.layout.tableEntries = 16;
  table.core = BlockCore::Float;
  table.value = CodeValue::Table;
  mxfp4.value = CodeValue::Float4E2M1;
  EXPECT_GT(count(code("x86-avx512-base", MatmulKind::Block, table), R"(\tvperm(ps|d)\t.*%zmm)"),
            100);
  EXPECT_GT(count(code("x86-64-v3", MatmulKind::Block, table), R"(\tvperm(ps|d)\t.*%ymm)"), 100);
  EXPECT_GT(count(code("aarch64-neon", MatmulKind::Block, table), R"(\ttbl\t)"), 100);
  EXPECT_GT(count(code("x86-avx512-vnni", MatmulKind::Block, mxfp4), R"(\tvpshufb\t.*%zmm)"), 10);
  EXPECT_GT(count(code("x86-64-v3", MatmulKind::Block, mxfp4), R"(\tvpmaddubsw\t.*%ymm)"), 10);
  EXPECT_GT(count(code("aarch64-neon", MatmulKind::Block, mxfp4), R"(\tsmull2?\t)"), 10);
}

TEST(MatmulCode, SymmetricCodesNeedNoArithmeticInTheFloatCore) {
  BlockProduct four;
  four.layout.zeros = BlockZeros::None;
  four.core = BlockCore::Float;
  four.bias = 8;
  // A shift, a permutation and a multiply-add for sixteen weights.
  std::string text = code("x86-avx512-base", MatmulKind::Block, four);
  EXPECT_GT(count(text, R"(\tvperm(ps|d)\t.*%zmm)"), 100);
  EXPECT_EQ(count(text, R"(\tvcvtdq2ps\t)"), 0);
  for (const std::string &loop : innerLoops(text))
    if (count(loop, R"(\tvperm(ps|d)\t)") > 0)
      EXPECT_EQ(count(loop, R"(vmov\w+\t%zmm\d+, [\w-]*\(%r[sb]p)"), 0) << loop;
}

TEST(MatmulCode, CallsNothing) {
  for (const Target &t : allTargets()) {
    if (t.isGpu())
      continue;
    std::vector<std::string> texts{code(t.name, pairsOfBfloat())};
    for (MatmulKind kind :
         {MatmulKind::F32, MatmulKind::W8A8, MatmulKind::Block, MatmulKind::Batched})
      texts.push_back(code(t.name, kind));
    for (const std::string &text : texts) {
      ASSERT_FALSE(text.empty()) << t.name;
      EXPECT_EQ(count(text, R"(\t(callq?|bl|blr)\t)"),
                count(text, R"(\t(callq?|bl)\tmatmul\.tile)"))
          << t.name; // only its own micro-kernels
    }
  }
}

TEST(MatmulCode, WritesForArm) {
  std::string text = code("aarch64-neon", MatmulKind::F32);
  EXPECT_GT(count(text, R"(\tfmla\t)"), 24);
}

} // namespace
