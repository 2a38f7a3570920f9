// The cost table predicts what it measured, and sensibly between.
#include "qcc/Driver/Costs.h"
#include "qcc/Support/Diagnostics.h"
#include "gtest/gtest.h"

using namespace qcc;

namespace {

CostTable sample() {
  CostTable table;
  table.target = "scalar";
  for (int64_t n : {100, 400})
    for (int64_t m : {1, 9}) {
      double work = static_cast<double>(m * n) * 100;
      table.entries.push_back({"w8a8", 1, m, n, 100, work});
      table.entries.push_back({"f32", 1, m, n, 100, 4 * work});
    }
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

TEST(Costs, KnowsWhatItDoesNotKnow) {
  CostTable table = sample();
  EXPECT_FALSE(table.predict("w4a8:g32", 1, 1, 100, 100).has_value());
  EXPECT_FALSE(table.predict("w8a8", 2, 1, 100, 100).has_value());
}

TEST(Costs, TheFileComesBack) {
  auto read = CostTable::fromJson(sample().toJson(), "f");
  ASSERT_TRUE(static_cast<bool>(read));
  EXPECT_EQ(read->target, "scalar");
  EXPECT_EQ(read->entries.size(), 8u);
  EXPECT_EQ(read->predict("w8a8", 1, 5, 100, 100), 50000);
}

TEST(Costs, WrongFilesAreRefused) {
  for (const char *text : {"", "{}", "{\"schema\": \"qcc.costs/1\"}",
                           "{\"schema\": \"qcc.costs/1\", \"layers\": [{}]}",
                           "{\"schema\": \"qcc.costs/1\", \"layers\": [{\"scheme\": \"w8a8\", "
                           "\"threads\": 1, \"m\": 1, \"n\": 1, \"k\": 1, \"ms\": -1}]}"}) {
    auto read = CostTable::fromJson(text, "f");
    ASSERT_FALSE(static_cast<bool>(read)) << text;
    llvm::handleAllErrors(read.takeError(), [](const CodedError &error) {
      EXPECT_EQ(error.code, Diag::BadCostTable);
    });
  }
}

} // namespace
