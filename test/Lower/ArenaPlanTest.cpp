// Slots of the arena: buffers that live at the same time never share one, and a slot holds each of
// its buffers whatever the symbols' values are.
#include "ArenaPlan.h"
#include "Qnt/Qnt.h"
#include <gtest/gtest.h>
#include <random>

using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// A context that knows the dialect before the first expression is made.
struct WithDialect {
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  WithDialect() { context.loadDialect<QntDialect>(); }
};

struct ArenaPlanTest : testing::Test, WithDialect {
  DimExpr c(int64_t value) { return DimExpr::constant(&context, value); }
  DimExpr s = DimExpr::symbol(&context, "s"), p = DimExpr::symbol(&context, "p");
};

/// Every step is a level of its own.
Lifetime alive(DimExpr bytes, size_t first, size_t last) {
  return {bytes, first, last, first, last};
}

int64_t slotSize(const ArenaPlan &plan, size_t slot, const llvm::StringMap<int64_t> &values) {
  int64_t size = 0;
  for (DimExpr bytes : plan.slots[slot])
    size = std::max(size, *bytes.evaluate(values));
  return size;
}

TEST_F(ArenaPlanTest, NothingNeedsNothing) { EXPECT_TRUE(ArenaPlan::build({}).slots.empty()); }

TEST_F(ArenaPlanTest, AResultDoesNotOverwriteItsOperand) {
  // Launch 1 reads the first buffer and writes the second: they meet there.
  Lifetime buffers[] = {alive(c(64), 0, 1), alive(c(64), 1, 2), alive(c(64), 2, 3)};
  ArenaPlan plan = ArenaPlan::build(buffers);
  EXPECT_EQ(plan.slots.size(), 2u);
  EXPECT_NE(buffers[0].slot, buffers[1].slot);
  EXPECT_EQ(buffers[0].slot, buffers[2].slot);
}

TEST_F(ArenaPlanTest, TakesTheTightestSlotThatFits) {
  Lifetime buffers[] = {alive(c(4096), 0, 1), alive(c(128), 0, 1), alive(c(100), 2, 3),
                        alive(c(2000), 2, 3)};
  ArenaPlan plan = ArenaPlan::build(buffers);
  EXPECT_EQ(buffers[2].slot, buffers[1].slot);
  EXPECT_EQ(buffers[3].slot, buffers[0].slot);
  EXPECT_EQ(plan.slots.size(), 2u);
}

TEST_F(ArenaPlanTest, BuffersOfOneLevelShareNothing) {
  // The second one is written when the first one is done with, but by a step of the same level.
  Lifetime buffers[] = {{c(64), 0, 1, 0, 1}, {c(64), 2, 3, 1, 2}, {c(64), 4, 5, 2, 3}};
  ArenaPlan plan = ArenaPlan::build(buffers);
  EXPECT_EQ(plan.slots.size(), 2u);
  EXPECT_NE(buffers[0].slot, buffers[1].slot);
  EXPECT_EQ(buffers[0].slot, buffers[2].slot);
}

TEST_F(ArenaPlanTest, GrowsTheLargestSlotWhenNoneFits) {
  Lifetime buffers[] = {alive(c(256), 0, 0), alive(c(64), 0, 0), alive(c(1024), 1, 1)};
  ArenaPlan plan = ArenaPlan::build(buffers);
  EXPECT_EQ(buffers[2].slot, buffers[0].slot);
  EXPECT_EQ(slotSize(plan, buffers[2].slot, {}), 1024);
}

TEST_F(ArenaPlanTest, KeepsOnlySizesThatCanBeLargest) {
  // s is never more than s + p; of s and p either may be the larger.
  Lifetime buffers[] = {alive(s, 0, 0), alive(s + p, 1, 1), alive(s, 2, 2)};
  ArenaPlan plan = ArenaPlan::build(buffers);
  ASSERT_EQ(plan.slots.size(), 1u);
  EXPECT_EQ(plan.slots[0], (llvm::SmallVector<DimExpr>{s + p}));

  Lifetime either[] = {alive(s, 0, 0), alive(p, 1, 1)};
  plan = ArenaPlan::build(either);
  ASSERT_EQ(plan.slots.size(), 1u);
  EXPECT_EQ(plan.slots[0].size(), 2u);
}

TEST_F(ArenaPlanTest, RandomLifetimesAreDisjointAndCovered) {
  std::mt19937 random(3);
  auto upTo = [&](int64_t n) { return std::uniform_int_distribution<int64_t>(0, n)(random); };
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> buffers;
    for (size_t first = 0; first < 24; ++first)
      for (int64_t n = upTo(2); n > 0; --n) {
        size_t level = static_cast<size_t>(upTo(12));
        buffers.push_back({s * (upTo(4) * 64) + p * (upTo(2) * 96) + (s * p) * upTo(1) + upTo(300),
                           first, first + static_cast<size_t>(upTo(5)), level,
                           level + static_cast<size_t>(upTo(5))});
      }
    ArenaPlan plan = ArenaPlan::build(buffers);
    for (size_t i = 0; i < buffers.size(); ++i) {
      ASSERT_LT(buffers[i].slot, plan.slots.size());
      for (size_t j = i + 1; j < buffers.size(); ++j)
        ASSERT_TRUE(
            buffers[i].slot != buffers[j].slot ||
            (buffers[j].first > buffers[i].last && buffers[j].firstLevel > buffers[i].lastLevel));
      for (int k = 0; k < 4; ++k) {
        llvm::StringMap<int64_t> values = {{"s", upTo(600)}, {"p", upTo(600)}};
        ASSERT_GE(slotSize(plan, buffers[i].slot, values), *buffers[i].bytes.evaluate(values));
      }
    }
    // At the sizes that it plans with, never worse than a slot for every buffer.
    EXPECT_LE(plan.slots.size(), buffers.size());
  }
}

} // namespace
