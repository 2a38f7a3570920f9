// Order between threads: barriers, shuffles, atomics, and what is found without them.
#include "SimtHarness.h"

namespace qcc::simt {
namespace {

constexpr unsigned seeds = 20;

/// Each thread writes shared memory and reads what another wrote, `sync` in between.
std::string exchangeKernel(llvm::StringRef sync, int distance) {
  return ("llvm.mlir.global internal @s() {addr_space = 3 : i32} : !llvm.array<128 x i32>\n"
          "llvm.func @k(%out: !llvm.ptr<1>) attributes {nvvm.kernel} {\n"
          "  %t = nvvm.read.ptx.sreg.tid.x : i32\n"
          "  %d = llvm.mlir.constant(" +
          llvm::Twine(distance) +
          " : i32) : i32\n"
          "  %o = llvm.xor %t, %d : i32\n"
          "  %all = llvm.mlir.constant(-1 : i32) : i32\n"
          "  %s = llvm.mlir.addressof @s : !llvm.ptr<3>\n"
          "  %p = llvm.getelementptr %s[0, %t] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
          "!llvm.array<128 x i32>\n"
          "  %q = llvm.getelementptr %s[0, %o] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, "
          "!llvm.array<128 x i32>\n"
          "  llvm.store %t, %p : i32, !llvm.ptr<3>\n  " +
          sync +
          "\n"
          "  %v = llvm.load %q : !llvm.ptr<3> -> i32\n"
          "  %g = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n"
          "  llvm.store %v, %g : i32, !llvm.ptr<1>\n  llvm.return\n}\n")
      .str();
}

Report runExchange(llvm::StringRef sync, int distance, uint64_t seed) {
  Kernel kernel(exchangeKernel(sync, distance));
  uint64_t out = kernel.device.allocate(128 * 4, "out");
  Launch launch;
  launch.block = {128, 1, 1};
  launch.seed = seed;
  Report report = kernel.run({argument(out)}, launch);
  if (report.clean())
    for (int t = 0; t != 128; ++t)
      EXPECT_EQ(kernel.values<int32_t>(out)[t], t ^ distance);
  return report;
}

TEST(Order, BarriersOrderBlocks) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    EXPECT_EQ(runExchange("nvvm.barrier0", 33, seed).text(), "");
    EXPECT_EQ(runExchange("nvvm.barrier", 33, seed).text(), "");
    EXPECT_TRUE(runExchange("", 33, seed).has(FindingKind::Race));
    EXPECT_TRUE(runExchange("nvvm.bar.warp.sync %all : i32", 33, seed).has(FindingKind::Race));
  }
}

TEST(Order, WarpSyncOrdersWarps) {
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    EXPECT_EQ(runExchange("nvvm.bar.warp.sync %all : i32", 5, seed).text(), "");
    EXPECT_TRUE(runExchange("", 5, seed).has(FindingKind::Race));
    // A vote waits for all lanes but orders no memory.
    EXPECT_TRUE(runExchange("%b = llvm.mlir.constant(true) : i1\n"
                            "%w = nvvm.vote.sync any %all, %b -> i1",
                            5, seed)
                    .has(FindingKind::Race));
  }
}

TEST(Order, ShufflesReduceAndHalfWarpsGoAlone) {
  // Lanes 16 to 31 shuffle twice under their own mask, the others once under theirs.
  Kernel kernel(R"(
    llvm.func @k(%out: !llvm.ptr<1>) attributes {nvvm.kernel} {
      %t = nvvm.read.ptx.sreg.tid.x : i32
      %c8 = llvm.mlir.constant(8 : i32) : i32
      %c4 = llvm.mlir.constant(4 : i32) : i32
      %c16 = llvm.mlir.constant(16 : i32) : i32
      %c31 = llvm.mlir.constant(31 : i32) : i32
      %low = llvm.mlir.constant(65535 : i32) : i32
      %high = llvm.mlir.constant(-65536 : i32) : i32
      %is = llvm.icmp "ult" %t, %c16 : i32
      llvm.cond_br %is, ^a, ^b
    ^a:
      %x = nvvm.shfl.sync bfly %low, %t, %c8, %c31 : i32 -> i32
      %y = nvvm.redux.sync add %x, %low : i32 -> i32
      llvm.br ^end(%y : i32)
    ^b:
      %u = nvvm.shfl.sync bfly %high, %t, %c8, %c31 : i32 -> i32
      %v = nvvm.shfl.sync idx %high, %u, %c16, %c31 : i32 -> i32
      llvm.br ^end(%v : i32)
    ^end(%r: i32):
      %g = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
      llvm.store %r, %g : i32, !llvm.ptr<1>
      llvm.return
    })");
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    uint64_t out = kernel.device.allocate(32 * 4, "out");
    Launch launch;
    launch.seed = seed;
    EXPECT_EQ(kernel.run({argument(out)}, launch).text(), "");
    for (int t = 0; t != 32; ++t)
      EXPECT_EQ(kernel.values<int32_t>(out)[t], t < 16 ? 120 : 24);
  }
}

/// A block adds up its part and the last block to finish adds up all parts.
std::string lastBlock(llvm::StringRef fence) {
  return ("llvm.func @k(%parts: !llvm.ptr<1>, %counter: !llvm.ptr<1>, %out: !llvm.ptr<1>) "
          "attributes {nvvm.kernel} {\n"
          "  %b = nvvm.read.ptx.sreg.ctaid.x : i32\n"
          "  %n = nvvm.read.ptx.sreg.nctaid.x : i32\n"
          "  %c0 = llvm.mlir.constant(0 : i32) : i32\n"
          "  %c1 = llvm.mlir.constant(1 : i32) : i32\n"
          "  %p = llvm.getelementptr %parts[%b] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n"
          "  llvm.store %b, %p : i32, !llvm.ptr<1>\n  " +
          fence +
          "\n"
          "  %old = llvm.atomicrmw add %counter, %c1 monotonic : !llvm.ptr<1>, i32\n"
          "  " +
          fence +
          "\n"
          "  %next = llvm.add %old, %c1 : i32\n"
          "  %last = llvm.icmp \"eq\" %next, %n : i32\n"
          "  llvm.cond_br %last, ^head(%c0, %c0 : i32, i32), ^exit\n"
          "^head(%i: i32, %sum: i32):\n"
          "  %more = llvm.icmp \"ult\" %i, %n : i32\n"
          "  llvm.cond_br %more, ^body, ^done\n"
          "^body:\n"
          "  %q = llvm.getelementptr %parts[%i] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32\n"
          "  %v = llvm.load %q : !llvm.ptr<1> -> i32\n"
          "  %s = llvm.add %sum, %v : i32\n"
          "  %j = llvm.add %i, %c1 : i32\n"
          "  llvm.br ^head(%j, %s : i32, i32)\n"
          "^done:\n"
          "  llvm.store %sum, %out : i32, !llvm.ptr<1>\n"
          "  llvm.br ^exit\n"
          "^exit:\n"
          "  llvm.return\n}\n")
      .str();
}

TEST(Order, FencesWithAtomicsOrderBlocks) {
  for (unsigned seed = 1; seed <= seeds; ++seed)
    for (bool fenced : {true, false}) {
      Kernel kernel(lastBlock(fenced ? "llvm.fence syncscope(\"device\") acq_rel" : ""));
      uint64_t parts = kernel.device.allocate(12 * 4, "parts"),
               out = kernel.device.allocate(4, "out");
      uint64_t counter = kernel.device.upload(std::vector<int32_t>{0}, "counter");
      Launch launch;
      launch.grid = {12, 1, 1};
      launch.block = {1, 1, 1};
      launch.seed = seed;
      Report report = kernel.run({argument(parts), argument(counter), argument(out)}, launch);
      EXPECT_EQ(kernel.values<int32_t>(out)[0], 66);
      EXPECT_EQ(report.has(FindingKind::Race), !fenced) << report.text();
    }
}

TEST(Order, BarriersOfSomeWarps) {
  // Warps 0 and 1 produce and arrive at barrier 1; warps 2 and 3 wait there and read.
  auto with = [&](llvm::StringRef count) {
    std::string sync = (R"(
      %c1 = llvm.mlir.constant(1 : i32) : i32
      %count = llvm.mlir.constant()" +
                        count + R"( : i32) : i32
      %c64 = llvm.mlir.constant(64 : i32) : i32
      %producer = llvm.icmp "ult" %t, %c64 : i32
      llvm.cond_br %producer, ^p, ^c
    ^p:
      nvvm.barrier.arrive id = %c1 number_of_threads = %count
      llvm.return
    ^c:
      nvvm.barrier id = %c1 number_of_threads = %count)")
                           .str();
    return exchangeKernel(sync, 64);
  };
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    Kernel kernel(with("128")), few(with("96")), many(with("160"));
    Launch launch;
    launch.block = {128, 1, 1};
    launch.seed = seed;
    uint64_t out = kernel.device.allocate(128 * 4, "out");
    EXPECT_EQ(kernel.run({argument(out)}, launch).text(), "");
    for (int t = 64; t != 128; ++t)
      EXPECT_EQ(kernel.values<int32_t>(out)[t], t ^ 64);
    EXPECT_FALSE(few.run({argument(few.device.allocate(512, "out"))}, launch).clean());
    EXPECT_TRUE(
        many.run({argument(many.device.allocate(512, "out"))}, launch).has(FindingKind::Deadlock));
  }
}

TEST(Order, DynamicSharedMemoryAndBankConflicts) {
  // Threads of a warp write a column of 32 x 32 words: all in one bank. 32 x 33 has no conflict.
  for (int pitch : {32, 33}) {
    Kernel kernel(R"(
      llvm.mlir.global external @dyn() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<0 x i32>
      llvm.func @k(%pitch: i32) attributes {nvvm.kernel} {
        %t = nvvm.read.ptx.sreg.tid.x : i32
        %s = llvm.mlir.addressof @dyn : !llvm.ptr<3>
        %i = llvm.mul %t, %pitch : i32
        %p = llvm.getelementptr %s[%i] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
        llvm.store %t, %p : i32, !llvm.ptr<3>
        llvm.return
      })");
    Launch launch;
    launch.dynamicSharedBytes = 32 * 33 * 4;
    Report report = kernel.run({argument(pitch)}, launch);
    EXPECT_EQ(report.text(), "");
    EXPECT_EQ(report.counts.extraPasses, pitch == 32 ? 31u : 0u);
  }
}

TEST(Order, SectorsOfGlobalAccesses) {
  for (int stride : {1, 8}) {
    Kernel kernel(R"(
      llvm.func @k(%out: !llvm.ptr<1>, %stride: i32) attributes {nvvm.kernel} {
        %t = nvvm.read.ptx.sreg.tid.x : i32
        %i = llvm.mul %t, %stride : i32
        %p = llvm.getelementptr %out[%i] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, i32
        llvm.store %t, %p : i32, !llvm.ptr<1>
        llvm.return
      })");
    uint64_t out = kernel.device.allocate(32 * 8 * 4, "out");
    Report report = kernel.run({argument(out), argument(stride)}, {});
    EXPECT_EQ(report.counts.sectors, stride == 1 ? 4u : 32u);
    EXPECT_EQ(report.counts.idealSectors, 4u);
  }
}

} // namespace
} // namespace qcc::simt
