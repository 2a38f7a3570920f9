// The code of every level for Arm gives the host's bits under qemu-user. Skips, saying so, where
// qemu-aarch64, clang-22 or ld.lld-22 are not installed.
#include "Inputs/arm-main.c"
#include "Jit.h"
#include "qcc/Kernels/Lowering.h"
#include "qcc/Kernels/Matmul.h"
#include "gtest/gtest.h"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace qcc;
using Value = mlir::Value;

namespace {

/// The products of kernels 2 to 11, in the order that arm-main.c gives them operands.
std::vector<BlockProduct> blockProducts() {
  auto make = [](int bits, BlockCore core, BlockZeros zeros) {
    BlockProduct p;
    p.layout = {bits, 32, 1, zeros};
    p.core = core;
    p.scale = ScaleForm::U8;
    p.bias = zeros == BlockZeros::None ? 1 << (bits - 1) : 0;
    return p;
  };
  std::vector<BlockProduct> all = {
      make(4, BlockCore::Int8, BlockZeros::Packed), make(3, BlockCore::Int8, BlockZeros::None),
      make(8, BlockCore::Int8, BlockZeros::Packed), make(4, BlockCore::Int8, BlockZeros::None),
      make(6, BlockCore::Int16, BlockZeros::None),  make(4, BlockCore::Float, BlockZeros::None),
      make(8, BlockCore::Float, BlockZeros::None),  make(5, BlockCore::Float, BlockZeros::Packed),
      make(4, BlockCore::Int8, BlockZeros::None),   make(8, BlockCore::Int8, BlockZeros::None)};
  all[1].value = CodeValue::Integers, all[1].bias = 100;
  all[1].integers = {0, 40, 80, 99, 101, 120, 160, 255};
  all[3].value = CodeValue::Float4E2M1;
  all[5].value = CodeValue::Table, all[5].layout.tableEntries = 16;
  all[6].value = CodeValue::Float8E4M3;
  all[8].layout.group = all[9].layout.group = 0;
  all[8].inputs = 0;
  return all;
}

/// With a GELU, to have mathematics in them too.
void buildKernels(mlir::ModuleOp module, const Target &target) {
  std::vector<BlockProduct> blocks = blockProducts();
  for (int kind = 0; kind < KERNELS; ++kind) {
    KernelBuilder k(module, "kernel" + std::to_string(kind), target);
    MatmulSpec spec;
    spec.kind = kind == 0 ? MatmulKind::F32 : kind == 1 ? MatmulKind::W8A8 : MatmulKind::Block;
    if (kind > 1)
      spec.block = blocks[kind - 2];
    bool isWide = kind > 1 && spec.block.core == BlockCore::Int16;
    MatmulOperands o;
    o.m = k.argI64(0), o.n = k.argI64(1), o.k = k.argI64(2);
    o.aStride = isWide ? k.mul(o.k, k.ci64(2)) : o.k, o.aLow = o.k;
    o.a = k.argPtr(3), o.b = k.argPtr(4), o.aScale = k.argPtr(5), o.bScale = k.argPtr(6);
    o.bCorrection = k.argPtr(7), o.aSum = k.argPtr(8), o.aSumStride = k.ci64(BLOCKS);
    Value out = k.argPtr(9);
    emitMatmul(k, spec, o, [&](const MatmulResult &r) {
      Value erf = k.erf(k.mul(r.acc, k.cf32(0.70710678f)));
      Value v = k.mul(k.mul(r.acc, k.cf32(0.5f)), k.add(erf, k.cf32(1)));
      k.vstore(Elem::F32, v, out, k.add(k.mul(r.row, o.n), r.col), r.lanes);
    });
    k.finish();
  }
}

bool have(const char *tool) {
  return std::system(("command -v " + std::string(tool) + " > /dev/null").c_str()) == 0;
}

/// The results of all kernels with every number of rows, as the program for Arm writes them.
std::string onHost() {
  auto data = std::make_unique<Data>();
  fill(data.get());
  const Target &host = *hostLevels().front();
  auto jit = Jit::build(host, [&](mlir::ModuleOp m) { buildKernels(m, host); });
  std::string results;
  std::vector<char> scratch(kBlockTileScratchBytes);
  for (int kind = 0; kind < KERNELS; ++kind)
    for (int m = 1; m <= M_; ++m) {
      int64_t slots[10];
      slotsOf(data.get(), kind, m, slots);
      EXPECT_EQ(jit->kernel("kernel" + std::to_string(kind))(slots, 0, 2, 0, scratch.data()), 0);
      results.append(reinterpret_cast<char *>(data->out), slots[0] * slots[1] * 4);
    }
  return results;
}

std::string onArm(const Target &level, const std::string &stem) {
  std::ofstream(stem + ".s") << Jit::assembly(level,
                                              [&](mlir::ModuleOp m) { buildKernels(m, level); });
  std::string command = "clang-22 --target=aarch64-linux-gnu -march=armv8.6-a -O1 -ffreestanding "
                        "-nostdlib -static -ffp-contract=off -fuse-ld=lld -fno-stack-protector "
                        "-fno-builtin " +
                        std::string(QCC_TEST_DIR "/Inputs/arm-main.c ") + stem + ".s -o " + stem +
                        " && qemu-aarch64 -cpu max " + stem + " > " + stem + ".out";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(stem + ".out", std::ios::binary);
  std::string results((std::istreambuf_iterator<char>(file)), {});
  for (const char *suffix : {"", ".s", ".out"})
    std::remove((stem + suffix).c_str());
  return results;
}

/// The place of byte `at` of the results, for messages.
std::string placeOf(size_t at) {
  for (int kind = 0; kind < KERNELS; ++kind)
    for (int m = 1; m <= M_; ++m) {
      int n, k;
      sizesOf(kind, m, &n, &k);
      if (at < size_t(m * n * 4))
        return "kernel " + std::to_string(kind) + " M " + std::to_string(m) + " N " +
               std::to_string(n) + " K " + std::to_string(k);
      at -= m * n * 4;
    }
  return "the end";
}

TEST(Arm, GivesTheBitsOfTheHost) {
  for (const char *tool : {"qemu-aarch64", "clang-22", "ld.lld-22"})
    if (!have(tool))
      GTEST_SKIP() << tool << " is not installed";
  std::string want = onHost();
  for (const Target &level : allTargets()) {
    if (level.arch != Arch::AArch64)
      continue;
    std::string stem = testing::TempDir() + "/qcc-" + level.name + std::to_string(::getpid());
    std::string got = onArm(level, stem);
    ASSERT_EQ(got.size(), want.size()) << level.name;
    auto [at, end] = std::mismatch(got.begin(), got.end(), want.begin());
    EXPECT_TRUE(at == got.end()) << level.name << " " << placeOf(at - got.begin());
  }
}

} // namespace
