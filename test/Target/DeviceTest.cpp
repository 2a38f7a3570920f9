// Blocks on a multiprocessor, against the examples of NVIDIA's occupancy calculator.
#include "qcc/Target/Device.h"
#include <gtest/gtest.h>

namespace qcc {
namespace {

TEST(Device, EveryGpuHasOne) {
  for (const Target &target : allTargets())
    EXPECT_EQ(deviceOf(target) != nullptr, target.isGpu()) << target.name;
}

TEST(Device, WhatRunsOutFirst) {
  const Device &h200 = *deviceOf(*findTarget("nvptx-sm_90a"));
  Occupancy byThreads = occupancyOf(h200, {256, 32, 0});
  EXPECT_EQ(byThreads.blocks, 8);
  EXPECT_EQ(byThreads.share, 1);
  EXPECT_STREQ(byThreads.limit, "threads");

  Occupancy byRegisters = occupancyOf(h200, {128, 255, 0});
  EXPECT_EQ(byRegisters.blocks, 2); // 256 registers a thread once rounded
  EXPECT_EQ(byRegisters.share, 0.125);
  EXPECT_STREQ(byRegisters.limit, "registers");

  Occupancy byShared = occupancyOf(h200, {128, 32, 100 << 10});
  EXPECT_EQ(byShared.blocks, 2);
  EXPECT_STREQ(byShared.limit, "shared memory");

  Occupancy byBlocks = occupancyOf(h200, {32, 16, 0});
  EXPECT_EQ(byBlocks.blocks, 32);
  EXPECT_STREQ(byBlocks.limit, "blocks");
}

TEST(Device, RegistersGoToWarpsInUnits) {
  const Device &a100 = *deviceOf(*findTarget("nvptx-sm_80"));
  // 33 registers take as many as 40: 65536 / (8 × 1280) = 6.4.
  EXPECT_EQ(occupancyOf(a100, {256, 33, 0}).blocks, 6);
  EXPECT_EQ(occupancyOf(a100, {256, 40, 0}).blocks, 6);
  EXPECT_EQ(occupancyOf(a100, {256, 41, 0}).blocks, 5);
}

TEST(Device, OneThatDoesNotFit) {
  const Device &l40s = *deviceOf(*findTarget("nvptx-sm_89"));
  EXPECT_EQ(occupancyOf(l40s, {128, 32, 128 << 10}).blocks, 0);
}

} // namespace
} // namespace qcc
