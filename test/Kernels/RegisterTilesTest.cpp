// Register tiles: that tables of costs choose them, and that results do not depend on them.
#include "qcc/Kernels/RegisterTiles.h"
#include "Jit.h"
#include "MatmulTesting.h"
#include "qcc/Kernels/ProductTrial.h"
#include "qcc/Target/Costs.h"

using namespace qcc;
using namespace qcc::test;

namespace {

const TiledProduct &productOf(const char *scheme) {
  static const std::vector<TiledProduct> all = tiledProducts();
  return *std::find_if(all.begin(), all.end(),
                       [&](const TiledProduct &p) { return p.scheme == scheme; });
}

CostTable tableOf(const char *level, std::vector<TileCost> tiles) {
  CostTable table;
  table.target = level;
  table.tiles = std::move(tiles);
  return table;
}

std::string assemblyWith(const Target &target, const CostTable &table) {
  return Jit::assembly(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "product", target, &table);
    emitProductTrial(k, productOf("w4a8:g32:sym").spec);
    k.finish();
  });
}

TEST(RegisterTiles, TheFasterTileOfTheTableIsInTheCode) {
  const Target &target = *findTarget("x86-avx512-vnni");
  for (bool first : {true, false}) {
    CostTable table = tableOf("x86-avx512-vnni", {{"w4a8:g32:sym", 4, {4, 2}, first ? 2.0 : 1.0},
                                                  {"w4a8:g32:sym", 4, {3, 4}, first ? 1.0 : 2.0}});
    std::string text = assemblyWith(target, table);
    EXPECT_EQ(text.find("product.tile4x32:") != std::string::npos, first);
    EXPECT_EQ(text.find("product.tile3x64:") != std::string::npos, !first);
  }
}

TEST(RegisterTiles, TablesOfOtherLevelsAndProductsDoNotCount) {
  const Target &target = *findTarget("x86-avx512-vnni");
  const MatmulSpec &spec = productOf("w8a8").spec;
  TileRules usual = tileRules(spec, target, nullptr);
  CostTable other = tableOf("x86-64-v3", {{"w8a8", 1, {3, 3}, 1}});
  CostTable another = tableOf("x86-avx512-vnni", {{"f32", 1, {3, 3}, 1}});
  EXPECT_EQ(tileRules(spec, target, &other), usual);
  EXPECT_EQ(tileRules(spec, target, &another), usual);
  other.target = "x86-avx512-vnni";
  EXPECT_EQ(tileRules(spec, target, &other), (TileRules{{1, {3, 3}}}));
}

TEST(RegisterTiles, ALevelTakesTheTilesOfTheOneThatItSharesCodeWith) {
  const Target &amx = *findTarget("x86-amx"), &vnni = *findTarget("x86-avx512-vnni");
  for (const TiledProduct &product : tiledProducts())
    EXPECT_EQ(tileRules(product.spec, amx, nullptr), tileRules(product.spec, vnni, nullptr))
        << product.scheme;
}

TEST(RegisterTiles, EveryLevelHasTilesForEveryNumberOfRows) {
  for (const Target &target : allTargets())
    for (const TiledProduct &product : tiledProducts()) {
      TileRules rules = tileRules(product.spec, target, nullptr);
      ASSERT_FALSE(rules.empty()) << target.name << product.scheme;
      EXPECT_EQ(rules.back().fromRows, 1);
      if (target.isGpu())
        continue;
      for (int64_t rows : {1, 2, 4, 8, 16, 64}) {
        std::vector<RegisterTile> tiles = tileCandidates(product.spec, target, rows);
        EXPECT_FALSE(tiles.empty()) << target.name << product.scheme << rows;
        for (RegisterTile tile : tiles)
          EXPECT_LE(tile.rows, rows);
      }
    }
}

class RegisterTilesOn : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, RegisterTilesOn, testing::ValuesIn(hostLevels()), levelName);

/// What a product is in tiles of this shape alone.
std::vector<float> resultsIn(RegisterTile tile, const Target &target, const TiledProduct &product) {
  CostTable table = tableOf(target.name, {{product.scheme, 1, tile, 1}});
  auto jit = Jit::build(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "matmul", target, &table);
    emitProductTrial(k, product.spec);
    k.finish();
  });
  std::vector<float> results;
  for (ProductShape shape : {ProductShape{1, 328, 96}, {7, 200, 160}, {29, 328, 64}}) {
    NumberBuffer weights(weightBytes(product.spec, shape.n, shape.k));
    ProductOperands operands(product.spec, shape);
    launch(*jit, operands.slots(weights.data()).data(), matmulTasks(shape.m, shape.n),
           matmulScratchBytes(product.spec, shape.k));
    results.insert(results.end(), operands.results(), operands.results() + shape.m * shape.n);
  }
  return results;
}

TEST_P(RegisterTilesOn, EveryCandidateGivesTheSameBits) {
  for (const TiledProduct &product : tiledProducts()) {
    std::vector<float> want = resultsIn({1, 1}, *GetParam(), product);
    for (RegisterTile tile : tileCandidates(product.spec, *GetParam(), 64)) {
      std::vector<float> got = resultsIn(tile, *GetParam(), product);
      EXPECT_EQ(std::memcmp(got.data(), want.data(), 4 * want.size()), 0)
          << product.scheme << " " << tile.rows << "x" << tile.panels;
    }
    std::vector<float> lone =
        resultsIn(tileCandidates(product.spec, *GetParam(), 1).back(), *GetParam(), product);
    EXPECT_EQ(std::memcmp(lone.data(), want.data(), 4 * want.size()), 0) << product.scheme;
  }
}

} // namespace
