// The cost table predicts what it measured, and sensibly between; the tables that come with qcc.
#include "qcc/Target/Costs.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"
#include <cmath>

using namespace qcc;

namespace {

CostTable sample() {
  CostTable table;
  table.target = "scalar";
  for (int64_t n : {100, 400})
    for (int64_t m : {1, 9}) {
      double work = static_cast<double>(m * n) * 100;
      table.layers.push_back({"w8a8", 1, m, n, 100, work});
      table.layers.push_back({"f32", 1, m, n, 100, 4 * work});
    }
  table.tiles = {{"w8a8", 1, {1, 8}, 10}, {"w8a8", 4, {4, 2}, 20}};
  return table;
}

TEST(Costs, PredictsWhatWasMeasured) {
  CostTable table = sample();
  EXPECT_EQ(table.predict("w8a8", 1, 9, 400, 100), 360000);
  EXPECT_EQ(table.predict("f32", 1, 1, 100, 100), 40000);
}

TEST(Costs, InterpolatesRowsAndScalesShapes) {
  CostTable table = sample();
  EXPECT_EQ(table.predict("w8a8", 1, 5, 100, 100), 50000);
  EXPECT_EQ(table.predict("w8a8", 1, 18, 100, 100), 180000);
  EXPECT_EQ(table.predict("w8a8", 1, 1, 100, 200), 20000);
  EXPECT_EQ(table.predict("w8a8", 1, 1, 200, 200), 40000);
}

TEST(Costs, ThreadsGoOnAsTheirSpeedUpDoes) {
  CostTable table = sample();
  EXPECT_EQ(table.predict("w8a8", 8, 1, 100, 100), 10000) << "one count says nothing of others";
  for (LayerCost layer : sample().layers) {
    layer.threads = 4;
    layer.ms /= 2;
    table.layers.push_back(layer);
  }
  EXPECT_EQ(table.predict("w8a8", 4, 1, 100, 100), 5000);
  EXPECT_NEAR(*table.predict("w8a8", 2, 1, 100, 100), 10000 / std::sqrt(2), 1e-6);
  EXPECT_NEAR(*table.predict("w8a8", 16, 1, 100, 100), 2500, 1e-6);
}

TEST(Costs, KnowsWhatItDoesNotKnow) {
  CostTable table = sample();
  EXPECT_FALSE(table.predict("w4a8:g32", 1, 1, 100, 100).has_value());
  auto like = [&](const char *scheme) { return table.like(llvm::cantFail(parseScheme(scheme))); };
  EXPECT_EQ(like("w4a8:g32"), "w8a8");
  EXPECT_EQ(like("w4"), "") << "floats say nothing of decoded weights";
  table.layers.push_back({"w4a8:g32", 1, 1, 100, 100, 1});
  EXPECT_EQ(like("w3a8:g64"), "w4a8:g32");
  EXPECT_EQ(like("w7a8s"), "w8a8");
}

TEST(Costs, TheFastestTileOfEachNumberOfRows) {
  CostTable table = sample();
  EXPECT_EQ(table.fastestTiles("w8a8"), (TileRules{{4, {4, 2}}, {1, {1, 8}}}));
  EXPECT_TRUE(table.fastestTiles("f32").empty());
  table.tiles.push_back({"w8a8", 4, {4, 4}, 21});
  EXPECT_EQ(table.fastestTiles("w8a8").front(), (TileRule{4, {4, 4}}));
}

TEST(Costs, ATileGoesOnWhileItIsNearlyTheFastest) {
  CostTable table = sample();
  table.tiles = {{"w8a8", 8, {6, 2}, 100}, {"w8a8", 8, {4, 4}, 90},  {"w8a8", 4, {4, 4}, 100},
                 {"w8a8", 4, {6, 2}, 97},  {"w8a8", 2, {2, 4}, 100}, {"w8a8", 2, {6, 2}, 90}};
  EXPECT_EQ(table.fastestTiles("w8a8"), (TileRules{{4, {6, 2}}, {1, {2, 4}}}));
}

TEST(Costs, TheFileComesBack) {
  CostTable table = sample();
  auto read = CostTable::fromJson(table.toJson(), "f");
  ASSERT_TRUE(static_cast<bool>(read));
  EXPECT_EQ(read->target, "scalar");
  EXPECT_FALSE(read->isModel);
  EXPECT_EQ(read->layers.size(), 8u);
  EXPECT_EQ(read->predict("w8a8", 1, 5, 100, 100), 50000);
  EXPECT_EQ(read->fastestTiles("w8a8"), table.fastestTiles("w8a8"));
  table.isModel = true;
  EXPECT_TRUE(llvm::cantFail(CostTable::fromJson(table.toJson(), "f")).isModel);
}

TEST(Costs, WrongFilesAreRefused) {
  std::string begin = "{\"schema\": \"qcc.costs/1\", ", layers = begin + "\"layers\": []";
  std::string layer = begin + "\"layers\": [{\"scheme\": \"w8a8\", \"threads\": 1, \"m\": 1, "
                              "\"n\": 1, \"k\": 1, \"ms\": -1}]}";
  auto tile = [&](const char *rows, const char *gops) {
    return layers + ", \"tiles\": [{\"scheme\": \"w8a8\", \"m\": 1, \"rows\": " + rows +
           ", \"panels\": 2, \"gops\": " + gops + "}]}";
  };
  EXPECT_TRUE(static_cast<bool>(CostTable::fromJson(tile("1", "1"), "f")));
  for (const std::string &text :
       {std::string(), std::string("{}"), begin + "\"target\": \"scalar\"}",
        begin + "\"layers\": [{}]}", layer, layers + ", \"target\": \"x87\"}",
        layers + ", \"source\": \"hearsay\"}", layers + ", \"tiles\": [1]}", tile("0", "1"),
        tile("33", "1"), tile("9223372036854775807", "1"), tile("1", "0")}) {
    auto read = CostTable::fromJson(text, "f");
    ASSERT_FALSE(static_cast<bool>(read)) << text;
    llvm::handleAllErrors(read.takeError(), [](const CodedError &error) {
      EXPECT_EQ(error.code, Diag::BadCostTable);
    });
  }
}

/// Every weight format, and every kind of activations that there are kernels for.
TEST(Costs, EveryLevelHasATableThatCoversEveryScheme) {
  for (const Target &level : allTargets()) {
    const CostTable &table = shippedCosts(level);
    EXPECT_EQ(table.target, level.name);
    if (level.isGpu())
      continue;
    for (const char *weight : {"w8", "w7", "w6", "w5", "w4", "w3", "w2", "ternary", "binary", "nf4",
                               "cb4", "cb3", "cb2", "fp8e4m3", "fp8e5m2", "mxfp4", "nvfp4"})
      for (const char *act : {"", "a8", "a8s", "ai16"}) {
        std::string known = table.like(llvm::cantFail(parseScheme(std::string(weight) + act)));
        for (unsigned threads : {1, 2, 16})
          EXPECT_GT(table.predict(known, threads, 4, 768, 3072).value_or(0), 0)
              << level.name << " " << weight << act;
      }
    EXPECT_GT(table.predict("f32", 1, 4, 768, 3072).value_or(0), 0) << level.name;
  }
}

/// Tables that nobody measured are what the model says today.
TEST(Costs, TablesOfModelsAreUpToDate) {
  for (const Target &level : allTargets())
    if (shippedCosts(level).isModel)
      EXPECT_EQ(shippedCosts(level).toJson(), modelCosts(level, usualGrid()).toJson())
          << "qcc tune --model --target=" << level.name << " -o costs/" << level.name << ".json";
}

TEST(Costs, TheModelSeesWhatLevelsHave) {
  auto ms = [](const char *level, const char *scheme, int64_t m) {
    CostGrid grid{{scheme}, {{2048, 2048}}, {m}, {1}};
    return modelCosts(*findTarget(level), grid).layers.front().ms;
  };
  EXPECT_LT(ms("x86-amx", "w8a8", 128), ms("x86-avx512-vnni", "w8a8", 128));
  EXPECT_LT(ms("aarch64-i8mm", "w8a8", 128), ms("aarch64-dotprod", "w8a8", 128));
  EXPECT_LT(ms("aarch64-dotprod", "w8a8", 128), ms("aarch64-neon", "w8a8", 128));
  EXPECT_EQ(ms("aarch64-dotprod", "f32", 128), ms("aarch64-neon", "f32", 128));
  EXPECT_LT(ms("aarch64-i8mm", "w4a8:g32", 1), ms("aarch64-i8mm", "w8a8", 1)) << "less to read";
}

} // namespace
