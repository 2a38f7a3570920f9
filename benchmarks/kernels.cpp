// Matrix products against the peak of the machine, in one run: a probe of independent multiply-add
// instructions is interleaved with the kernels, so that a busy neighbour slows both.
//   kernels [LEVEL] [KIND…]     one thread; prints G(FL)OP/s, the probe, and their ratio
#include "Jit.h"
#include "Tile/Tile.h"
#include "qcc/Kernels/Matmul.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

using namespace qcc;
using Value = mlir::Value;

namespace {

double seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

enum Slot {
  M,
  N,
  K,
  A,
  AStride,
  AScale,
  ASum,
  ASumStride,
  B,
  BScale,
  BCorrection,
  Out,
  Bias,
  Slots
};

std::unique_ptr<Jit> compileMatmul(const Target &target, const MatmulSpec &spec, bool gelu) {
  return Jit::build(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "matmul", target);
    MatmulOperands o;
    o.m = k.argI64(M), o.n = k.argI64(N), o.k = k.argI64(K);
    o.a = k.argPtr(A), o.aStride = k.argI64(AStride), o.b = k.argPtr(B);
    o.aScale = k.argPtr(AScale), o.aSum = k.argPtr(ASum), o.aSumStride = k.argI64(ASumStride);
    o.bScale = k.argPtr(BScale), o.bCorrection = k.argPtr(BCorrection);
    emitMatmul(k, spec, o, [&](const MatmulResult &r) {
      Value v = k.add(r.acc, k.vload(Elem::F32, k.argPtr(Bias), r.col, r.lanes));
      if (gelu) {
        Value erf = k.erf(k.mul(v, k.cf32(0.70710678f)));
        v = k.mul(k.mul(v, k.cf32(0.5f)), k.add(erf, k.cf32(1)));
      }
      k.vstore(Elem::F32, v, k.argPtr(Out), k.add(k.mul(r.row, o.n), r.col), r.lanes);
    });
    k.finish();
  });
}

/// 24 independent accumulators (12 where registers are few), the loop a kernel can at best be.
std::unique_ptr<Jit> compileProbe(const Target &target, bool integer) {
  return Jit::build(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "probe", target);
    int count = target.vectorBytes == 64 ? 24 : 6;
    KernelBuilder::Values init;
    Value p = k.argPtr(0);
    for (int i = 0; i < count; ++i)
      init.push_back(k.vload(integer ? Elem::I32 : Elem::F32, p, k.ci64(i * 16)));
    auto bytes = k.vec(k.builder().getI8Type(), 64);
    Value x = integer ? k.rawLoad(bytes, p) : k.vload(Elem::F32, p);
    Value y =
        integer ? k.rawLoad(bytes, k.bytePtr(p, k.ci64(64))) : k.vload(Elem::F32, p, k.ci64(16));
    auto acc = k.forRange(k.end(), init, [&](Value, mlir::ValueRange c) {
      KernelBuilder::Values next;
      for (Value v : c)
        next.push_back(integer ? Value(tile::Dot4Op::create(k.builder(), k.loc(), v, x, y))
                               : k.fma(x, y, v));
      return next;
    });
    for (int i = 0; i < count; ++i)
      k.vstore(integer ? Elem::I32 : Elem::F32, acc[i], p, k.ci64(i * 16));
    k.finish();
  });
}

struct Buffer {
  void *p;
  explicit Buffer(size_t bytes) : p(std::aligned_alloc(4096, roundUp(bytes + 4096, 4096))) {
    for (size_t i = 0; i < bytes; ++i) // small finite numbers in every element type
      static_cast<uint8_t *>(p)[i] = i % 4 == 3 ? 0x3c : 1;
  }
  ~Buffer() { std::free(p); }
};

void measure(const Target &target, const char *name, const MatmulSpec &spec, bool gelu = false) {
  auto jit = compileMatmul(target, spec, gelu);
  bool isBlock = spec.kind == MatmulKind::Block;
  bool integer = spec.kind == MatmulKind::W8A8 || (isBlock && spec.block.core != BlockCore::Float);
  auto probe = compileProbe(target, integer);
  int accumulators = target.vectorBytes == 64 ? 24 : 6;
  double macs = integer ? 64 : 16;
  std::printf("%s %s: compiled in %.0f ms\n", target.name, name, jit->compileSeconds * 1e3);
  int64_t shapes[][3] = {{1, 4096, 4096},   {16, 384, 384},    {16, 1536, 384},  {16, 384, 1536},
                         {128, 384, 384},   {128, 1536, 384},  {128, 384, 1536}, {4096, 384, 384},
                         {4096, 1536, 384}, {4096, 384, 1536}, {512, 4096, 4096}};
  for (auto &[m, n, kk] : shapes) {
    int64_t blocks = isBlock && spec.block.inputs ? kk / spec.block.inputs : 1;
    size_t bBytes = isBlock                         ? spec.block.layout.bytes(n, kk)
                    : spec.kind == MatmulKind::W8A8 ? packedW8Bytes(n, kk)
                                                    : packedFloatBytes(n, kk, elemBytes(spec.b));
    Buffer a(m * kk * (integer ? 1 : 4)), b(bBytes), out(m * n * 4), scale(std::max(m, n) * 4),
        sums(m * blocks * 4), probeData(4096);
    std::vector<int64_t> slots(Slots);
    slots[M] = m, slots[N] = n, slots[K] = kk, slots[A] = int64_t(a.p), slots[AStride] = kk;
    slots[AScale] = slots[BScale] = slots[BCorrection] = slots[Bias] = int64_t(scale.p);
    slots[ASum] = int64_t(sums.p), slots[ASumStride] = blocks;
    slots[B] = int64_t(b.p), slots[Out] = int64_t(out.p);
    int64_t probeArgs[] = {int64_t(probeData.p)};
    int64_t tasks = matmulTasks(m, n), turns = 100000;
    double ops = 2.0 * m * n * kk, best = 0, peak = 0;
    int inner = std::max(1.0, 2e8 / ops);
    for (int i = 0; i < 25; ++i) {
      qcc_kernel_fn f = jit->kernel("matmul");
      double t0 = seconds();
      for (int j = 0; j < inner; ++j)
        f(slots.data(), 0, tasks, 0, nullptr);
      best = std::max(best, ops * inner / (seconds() - t0));
      t0 = seconds();
      probe->kernel("probe")(probeArgs, 0, turns, 0, nullptr);
      peak = std::max(peak, 2.0 * macs * accumulators * turns / (seconds() - t0));
    }
    std::printf("  M %-5ld N %-5ld K %-5ld %8.1f G/s  probe %8.1f  %3.0f %%  weights %5.1f GB/s\n",
                long(m), long(n), long(kk), best * 1e-9, peak * 1e-9, 100 * best / peak,
                bBytes * best / ops * 1e-9);
  }
}

} // namespace

int main(int argc, char **argv) {
  const Target *target = argc > 1 ? findTarget(argv[1]) : hostLevels().front();
  if (!target) {
    std::fprintf(stderr, "no level %s\n", argv[1]);
    return 2;
  }
  auto wanted = [&](const char *kind) {
    return argc <= 2 ||
           std::any_of(argv + 2, argv + argc, [&](char *a) { return a == std::string(kind); });
  };
  MatmulSpec spec;
  if (wanted("f32"))
    measure(*target, "f32", spec);
  spec.b = Elem::F16;
  if (wanted("f16"))
    measure(*target, "f16 weights", spec);
  spec.kind = MatmulKind::W8A8;
  if (wanted("w8a8"))
    measure(*target, "w8a8", spec);
  if (wanted("w8a8-gelu"))
    measure(*target, "w8a8 with GELU", spec, true);
  spec.kind = MatmulKind::Block;
  auto block = [&](const char *kind, BlockProduct product) {
    spec.block = product;
    if (wanted(kind))
      measure(*target, kind, spec);
  };
  BlockProduct w4;
  block("w4a8:g32", w4);
  w4.layout.zeros = BlockZeros::None, w4.bias = 8;
  block("w4a8:g32,sym", w4);
  BlockProduct w4f = w4;
  w4f.core = BlockCore::Float;
  block("w4:g32,sym", w4f);
  w4f.layout.zeros = BlockZeros::Packed, w4f.bias = 0;
  block("w4:g32", w4f);
  w4f.layout.zeros = BlockZeros::None, w4f.value = CodeValue::Table;
  w4f.layout.tableEntries = 16;
  block("nf4:g32", w4f);
  w4f.value = CodeValue::Float4E2M1, w4f.layout.tableEntries = 0;
  block("mxfp4", w4f);
  w4f.value = CodeValue::Float8E4M3, w4f.layout.bits = 8;
  block("fp8", w4f);
  for (int bits = 1; bits <= 8; ++bits) {
    BlockProduct w = w4;
    w.layout.bits = bits, w.bias = 1 << (bits - 1);
    block(("w" + std::to_string(bits) + "a8:g32").c_str(), w);
    w.core = BlockCore::Int16;
    block(("w" + std::to_string(bits) + "a16:g32").c_str(), w);
    w.core = BlockCore::Float;
    block(("w" + std::to_string(bits) + ":g32").c_str(), w);
  }
  BlockProduct row;
  row.layout = {8, 0, 4, BlockZeros::None};
  row.core = BlockCore::Float, row.bias = 128, row.scale = ScaleForm::F32, row.inputs = 0;
  block("w8:row", row);
}
