// Arm code under qemu-user gives the host's bits. Skips, saying so, where qemu-aarch64, clang-22 or
// ld.lld-22 are not installed.
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

/// The products of kernels 2 to 9, in the order that arm-main.c gives them operands.
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
      make(8, BlockCore::Float, BlockZeros::None),  make(5, BlockCore::Float, BlockZeros::Packed)};
  all[3].value = CodeValue::Float4E2M1;
  all[5].value = CodeValue::Table, all[5].layout.tableEntries = 16;
  all[6].value = CodeValue::Float8E4M3;
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

TEST(Arm, GivesTheBitsOfTheHost) {
  for (const char *tool : {"qemu-aarch64", "clang-22", "ld.lld-22"})
    if (!have(tool))
      GTEST_SKIP() << tool << " is not installed";
  std::string stem = testing::TempDir() + "/qcc-arm-" + std::to_string(::getpid());
  const Target &arm = *findTarget("aarch64-neon");
  std::ofstream(stem + ".s") << Jit::assembly(arm, [&](mlir::ModuleOp m) { buildKernels(m, arm); });
  std::string command = "clang-22 --target=aarch64-linux-gnu -O1 -ffreestanding -nostdlib -static "
                        "-ffp-contract=off -fuse-ld=lld -fno-stack-protector -fno-builtin " +
                        std::string(QCC_TEST_DIR "/Inputs/arm-main.c ") + stem + ".s -o " + stem +
                        " && qemu-aarch64 " + stem + " > " + stem + ".out";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  std::ifstream file(stem + ".out", std::ios::binary);
  std::string got((std::istreambuf_iterator<char>(file)), {});
  ASSERT_EQ(got.size(), KERNELS * sizeof(Data::out));
  auto data = std::make_unique<Data>();
  fill(data.get());
  const Target &host = *hostLevels().front();
  auto jit = Jit::build(host, [&](mlir::ModuleOp m) { buildKernels(m, host); });
  for (int kind = 0; kind < KERNELS; ++kind) {
    int64_t slots[10];
    slotsOf(data.get(), kind, slots);
    ASSERT_EQ(jit->kernel("kernel" + std::to_string(kind))(slots, 0, 2, 0, nullptr), 0);
    EXPECT_EQ(std::memcmp(got.data() + kind * sizeof data->out, data->out, sizeof data->out), 0)
        << kind;
  }
  for (const char *suffix : {"", ".s", ".out"})
    std::remove((stem + suffix).c_str());
}

} // namespace
