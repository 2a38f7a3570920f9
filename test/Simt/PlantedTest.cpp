// Faults planted into correct kernels: each is found with every seed, and without it nothing is.
#include "SimtHarness.h"
#include "llvm/Support/MemoryBuffer.h"
#include <numeric>

namespace qcc::simt {
namespace {

constexpr unsigned seeds = 20;

std::string readInput(llvm::StringRef name) {
  auto buffer = llvm::MemoryBuffer::getFile((QCC_TEST_DIR "/Inputs/" + name).str());
  EXPECT_TRUE(buffer);
  return buffer ? (*buffer)->getBuffer().str() : "";
}

/// A kernel in a file, one integer or bf16 array in and what must come out.
struct Subject {
  llvm::StringRef file;
  unsigned threads;
  std::vector<uint8_t> input, expected;
};

template <typename T> std::vector<uint8_t> bytesOf(const std::vector<T> &values) {
  auto *bytes = reinterpret_cast<const uint8_t *>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

std::vector<int32_t> count(int n) {
  std::vector<int32_t> values(n);
  std::iota(values.begin(), values.end(), 1);
  return values;
}

Subject reduce() {
  return {"reduce.mlir", 128, bytesOf(count(128)), bytesOf<int32_t>({128 * 129 / 2})};
}

Subject pipeline() {
  std::vector<int32_t> in = count(8 * 256), out(64);
  for (int t = 0; t != 64; ++t)
    for (int tile = 0; tile != 8; ++tile)
      out[t] += in[tile * 256 + (t ^ 33) * 4] + in[tile * 256 + (t ^ 33) * 4 + 2];
  return {"pipeline.mlir", 64, bytesOf(in), bytesOf(out)};
}

Subject bulk() {
  std::vector<int32_t> out = count(128);
  for (int32_t &each : out)
    each *= 2;
  return {"bulk.mlir", 128, bytesOf(count(128)), bytesOf(out)};
}

/// Small integers, of which all sums are exact.
Subject wgmma() {
  auto valueAt = [](int i) { return i * 7 % 13 - 6; };
  std::vector<uint16_t> in(1024);
  for (int i = 0; i != 1024; ++i)
    in[i] = std::bit_cast<uint32_t>(static_cast<float>(valueAt(i))) >> 16;
  auto element = [&](int row, int k) {
    return valueAt((row / 8 * 16 + k / 8 * 8 + row % 8) * 8 + k % 8);
  };
  std::vector<float> out(512);
  for (int t = 0; t != 128; ++t)
    for (int i = 0; i != 4; ++i) {
      int row = t / 32 * 16 + t % 32 / 4 + i / 2 * 8, column = t % 4 * 2 + i % 2;
      for (int k = 0; k != 16; ++k)
        out[t * 4 + i] += element(row, k) * element(column, k);
    }
  return {"wgmma.mlir", 128, bytesOf(in), bytesOf(out)};
}

Report launch(const Subject &subject, llvm::StringRef text, uint64_t seed,
              std::vector<uint8_t> *out) {
  Kernel kernel(text);
  uint64_t in = kernel.device.upload(subject.input, "in");
  uint64_t result = kernel.device.allocate(subject.expected.size(), "out");
  Launch launch;
  launch.block = {subject.threads, 1, 1};
  launch.seed = seed;
  launch.maxSteps = 1 << 20;
  Report report = kernel.run({argument(in), argument(result)}, launch);
  if (out)
    *out = kernel.values<uint8_t>(result);
  return report;
}

TEST(Planted, KernelsWithoutFaultsAreClean) {
  for (const Subject &subject : {reduce(), pipeline(), bulk(), wgmma()})
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      std::vector<uint8_t> out;
      EXPECT_EQ(launch(subject, readInput(subject.file), seed, &out).text(), "")
          << subject.file.str();
      EXPECT_EQ(out, subject.expected) << subject.file.str() << " with seed " << seed;
    }
}

struct Fault {
  const char *name;
  Subject (*subject)();
  const char *correct, *planted;
  std::vector<FindingKind> kinds; // one of which must be found
};

const Fault faults[] = {
    {"no barrier between warps",
     reduce,
     "nvvm.barrier0",
     "",
     {FindingKind::Race, FindingKind::Uninitialized}},
    {"too small an array",
     reduce,
     "!llvm.array<4 x i32>\n\nllvm.func",
     "!llvm.array<3 x i32>\n\nllvm.func",
     {FindingKind::OutOfBounds}},
    {"a mask without half of the lanes",
     reduce,
     "%all = llvm.mlir.constant(-1",
     "%all = llvm.mlir.constant(65535",
     {FindingKind::Divergence}},
    {"a sum that is not written",
     reduce,
     "\"eq\" %lane, %c0",
     "\"eq\" %t, %c0",
     {FindingKind::Uninitialized}},
    {"a barrier in a branch",
     reduce,
     "llvm.store %x1, %w",
     "nvvm.barrier0\n llvm.store %x1, %w",
     {FindingKind::Divergence}},
    {"all threads store",
     reduce,
     "llvm.cond_br %zero, ^add(%c0, %c0 : i32, i32), ^end",
     "llvm.br ^add(%c0, %t : i32, i32)",
     {FindingKind::Race}},
    {"one element too far",
     reduce,
     "llvm.add %t, %c0",
     "llvm.add %t, %c1",
     {FindingKind::OutOfBounds}},
    {"one element before",
     reduce,
     "llvm.add %t, %c0",
     "llvm.sub %t, %c1",
     {FindingKind::OutOfBounds}},
    {"a misaligned load",
     reduce,
     "{alignment = 4 : i64}",
     "{alignment = 16 : i64}",
     {FindingKind::Misaligned}},
    {"no wait for copies",
     pipeline,
     "nvvm.cp.async.wait.group 1",
     "",
     {FindingKind::AsyncNotWaited}},
    {"a wait for too few groups",
     pipeline,
     "wait.group 1",
     "wait.group 2",
     {FindingKind::AsyncNotWaited}},
    {"no commit",
     pipeline,
     "nvvm.cp.async.commit.group // in the loop",
     "",
     {FindingKind::AsyncNotWaited}},
    {"no barrier before the reads",
     pipeline,
     "nvvm.barrier id = %c0 // before the reads",
     "",
     {FindingKind::AsyncNotWaited}},
    {"no barrier after the reads",
     pipeline,
     "nvvm.barrier id = %c1 // after the reads",
     "",
     {FindingKind::Race}},
    {"a barrier of the wrong count",
     pipeline,
     "nvvm.barrier id = %c1 // after the reads",
     "nvvm.barrier id = %c1 number_of_threads = %c256",
     {FindingKind::Deadlock}},
    {"too many bytes expected",
     bulk,
     "%expected = llvm.mlir.constant(512",
     "%expected = llvm.mlir.constant(528",
     {FindingKind::Deadlock}},
    {"the wrong parity",
     bulk,
     "%parity = llvm.mlir.constant(0",
     "%parity = llvm.mlir.constant(1",
     {FindingKind::AsyncNotWaited}},
    {"no proxy fence",
     bulk,
     "nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}",
     "",
     {FindingKind::ProxyFence}},
    {"an arrival too few",
     bulk,
     "%arrivals = llvm.mlir.constant(1",
     "%arrivals = llvm.mlir.constant(2",
     {FindingKind::Deadlock}},
    {"an arrival too many",
     bulk,
     "nvvm.mbarrier.arrive.expect_tx %full",
     "nvvm.mbarrier.arrive.expect_tx %full, %expected : !llvm.ptr<3>, i32\n"
     "%s = nvvm.mbarrier.arrive %full : !llvm.ptr<3> -> i64\n nvvm.mbarrier.expect_tx %full",
     {FindingKind::Barrier, FindingKind::Deadlock}},
    {"a store that is not waited for",
     bulk,
     "nvvm.cp.async.bulk.wait_group 0",
     "",
     {FindingKind::AsyncNotWaited}},
    {"no barrier after the initialisation",
     bulk,
     "nvvm.barrier id = %c0 // after the initialisation",
     "",
     {FindingKind::Barrier, FindingKind::Race}},
    {"no barrier before the store",
     bulk,
     "nvvm.barrier id = %c0 // before the store",
     "",
     {FindingKind::Race}},
    {"a bulk copy of 8 bytes too many",
     bulk,
     "%bytes = llvm.mlir.constant(512",
     "%bytes = llvm.mlir.constant(520",
     {FindingKind::Misaligned}},
    {"no proxy fence before wgmma",
     wgmma,
     "nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}",
     "",
     {FindingKind::ProxyFence}},
    {"accumulators read before the wait",
     wgmma,
     "nvvm.wgmma.wait.group.sync.aligned 0",
     "",
     {FindingKind::AsyncNotWaited}},
    {"no wgmma fence", wgmma, "nvvm.wgmma.fence.aligned", "", {FindingKind::AsyncNotWaited}},
    {"an operand overwritten too early",
     wgmma,
     "nvvm.wgmma.wait.group.sync.aligned 0",
     "llvm.store %x, %to {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<3>\n "
     "nvvm.wgmma.wait.group.sync.aligned 0",
     {FindingKind::AsyncNotWaited}},
};

TEST(Planted, EveryFaultIsFound) {
  for (const Fault &fault : faults) {
    Subject subject = fault.subject();
    std::string text = readInput(subject.file);
    size_t at = text.find(fault.correct);
    ASSERT_NE(at, std::string::npos) << fault.name;
    text.replace(at, std::strlen(fault.correct), fault.planted);
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      Report report = launch(subject, text, seed, nullptr);
      EXPECT_TRUE(llvm::any_of(fault.kinds, [&](FindingKind kind) { return report.has(kind); }))
          << fault.name << " with seed " << seed << ":\n"
          << report.text();
    }
  }
}

} // namespace
} // namespace qcc::simt
