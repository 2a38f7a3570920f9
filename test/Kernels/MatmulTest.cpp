// Matrix products on every level of the host against scalar references, bit by bit: random shapes
// with every remainder of rows, columns and K.
#include "qcc/Kernels/Matmul.h"
#include "Jit.h"
#include "gtest/gtest.h"
#include <cmath>
#include <random>

using namespace qcc;
using Value = mlir::Value;

namespace {

class Matmul : public testing::TestWithParam<const Target *> {};
std::string levelName(const testing::TestParamInfo<const Target *> &i) {
  std::string s = i.param->name;
  std::replace(s.begin(), s.end(), '-', '_');
  return s;
}
INSTANTIATE_TEST_SUITE_P(Host, Matmul, testing::ValuesIn(hostLevels()), levelName);

std::mt19937 rng(7);
float uniform(float lo, float hi) { return std::uniform_real_distribution<float>(lo, hi)(rng); }
int integer(int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); }

/// Slots shared by the test kernels.
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
  BZero,
  Out,
  OutStride,
  BStride,
  Count0,
  Count1,
  A0,
  A1,
  B0,
  B1,
  Slots
};

/// A kernel that stores the results as they come.
std::unique_ptr<Jit> compileMatmul(const Target &target, const MatmulSpec &spec) {
  return Jit::build(target, [&](mlir::ModuleOp module) {
    KernelBuilder k(module, "matmul", target);
    MatmulOperands o;
    o.m = k.argI64(M), o.n = k.argI64(N), o.k = k.argI64(K);
    o.a = k.argPtr(A), o.aStride = k.argI64(AStride), o.b = k.argPtr(B);
    o.aScale = k.argPtr(AScale), o.aSum = k.argPtr(ASum), o.aSumStride = k.argI64(ASumStride);
    o.bScale = k.argPtr(BScale), o.bCorrection = k.argPtr(BCorrection), o.bZero = k.argPtr(BZero);
    o.bStride = k.argI64(BStride), o.batchCount0 = k.argI64(Count0),
    o.batchCount1 = k.argI64(Count1);
    o.aBatch0 = k.argI64(A0), o.aBatch1 = k.argI64(A1);
    o.bBatch0 = k.argI64(B0), o.bBatch1 = k.argI64(B1);
    emitMatmul(k, spec, o, [&](const MatmulResult &r) {
      Value row = r.row;
      if (r.batch0) // out is [batch0][batch1][M][N]
        row = k.add(row, k.mul(k.add(k.mul(r.batch0, o.batchCount1), r.batch1), o.m));
      k.vstore(Elem::F32, r.acc, k.argPtr(Out), k.add(k.mul(row, k.argI64(OutStride)), r.col),
               r.lanes);
    });
    k.finish();
  });
}

/// Runs all tasks in ranges of random lengths, as a pool might.
void launch(Jit &jit, const int64_t *slots, int64_t tasks, int64_t scratchBytes = 0) {
  void *scratch = scratchBytes ? std::aligned_alloc(64, roundUp(scratchBytes, 64)) : nullptr;
  for (int64_t t = 0; t < tasks;) {
    int64_t end = std::min<int64_t>(tasks, t + integer(1, 5));
    ASSERT_EQ(jit.kernel("matmul")(slots, t, end, 0, scratch), 0);
    t = end;
  }
  std::free(scratch);
}

struct Shape {
  int64_t m, n, k;
};
std::vector<Shape> shapes() {
  std::vector<Shape> s = {{1, 1, 1},   {1, 128, 64}, {1, 200, 33},   {7, 64, 32}, {12, 64, 8},
                          {96, 16, 5}, {97, 80, 40}, {131, 130, 70}, {0, 16, 16}};
  for (int64_t m = 1; m <= 20; ++m)
    s.push_back({m, integer(1, 150), integer(1, 100)});
  return s;
}

void expectSame(const std::vector<float> &got, const std::vector<float> &want, const Shape &s,
                int64_t stride) {
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::memcmp(&got[i], &want[i], 4), 0)
        << "M " << s.m << " N " << s.n << " K " << s.k << " at " << i / stride << "," << i % stride
        << ": " << got[i] << " instead of " << want[i];
}

//===-- f32 -----------------------------------------------------------------------------------===//

float half(float v) { return float((_Float16)v); }

void testFloat(const Target &target, Elem weights) {
  MatmulSpec spec;
  spec.b = weights;
  auto jit = compileMatmul(target, spec);
  for (const Shape &s : shapes()) {
    int64_t aStride = s.k + integer(0, 3), outStride = s.n + 2;
    std::vector<float> a(s.m * aStride + 1), w(s.n * s.k),
        packed(packedFloatBytes(s.n, s.k, 4) / 4);
    for (float &v : a)
      v = uniform(-1, 1);
    for (float &v : w)
      v = weights == Elem::F16 ? half(uniform(-1, 1)) : uniform(-1, 1);
    std::vector<uint16_t> bits(w.size()), packedBits(packed.size());
    for (size_t i = 0; i < w.size(); ++i) {
      _Float16 h = w[i];
      std::memcpy(&bits[i], &h, 2);
    }
    packF32({w.data(), s.n, s.k, s.k, 1}, 0, panels(s.n), packed.data());
    packBits16({bits.data(), s.n, s.k, s.k, 1}, 0, panels(s.n), packedBits.data());
    std::vector<float> back(w.size());
    unpackF32(packed.data(), s.n, s.k, back.data());
    ASSERT_EQ(back, w);
    std::vector<float> out(s.m * outStride, -1), want(out);
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        float acc = 0;
        for (int64_t x = 0; x < s.k; ++x)
          acc = std::fma(a[i * aStride + x], w[j * s.k + x], acc);
        want[i * outStride + j] = acc;
      }
    std::vector<int64_t> slots(Slots);
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k, slots[A] = int64_t(a.data());
    slots[AStride] = aStride, slots[Out] = int64_t(out.data()), slots[OutStride] = outStride;
    slots[B] = weights == Elem::F16 ? int64_t(packedBits.data()) : int64_t(packed.data());
    launch(*jit, slots.data(), matmulTasks(s.m, s.n));
    expectSame(out, want, s, outStride);
  }
}
TEST_P(Matmul, FloatIsOneFmaAStep) { testFloat(*GetParam(), Elem::F32); }
TEST_P(Matmul, HalfWeightsConvertOnLoad) { testFloat(*GetParam(), Elem::F16); }

//===-- w8a8 ----------------------------------------------------------------------------------===//

void testW8(const Target &target, bool zeroPoints) {
  MatmulSpec spec;
  spec.kind = MatmulKind::W8A8;
  spec.weightZeroPoints = zeroPoints;
  auto jit = compileMatmul(target, spec);
  for (const Shape &s : shapes()) {
    int64_t padded = roundUp(s.k, 4), aStride = padded + 4 * integer(0, 2), n16 = roundUp(s.n, 16);
    std::vector<uint8_t> a(s.m * aStride + 4);
    std::vector<int8_t> w(s.n * s.k), packed(packedW8Bytes(s.n, s.k)), back(w.size());
    for (uint8_t &v : a)
      v = integer(0, 9) == 0 ? 255 : integer(0, 255);
    for (int8_t &v : w)
      v = integer(0, 9) == 0 ? -128 : integer(-128, 127);
    std::vector<float> aScale(s.m), bScale(n16, 0.0f);
    std::vector<int32_t> correction(n16), zero(n16), sums(s.m);
    for (float &v : aScale)
      v = uniform(0.001f, 1);
    for (int64_t j = 0; j < s.n; ++j)
      bScale[j] = uniform(0.001f, 1), zero[j] = integer(-100, 100);
    bool transposed = integer(0, 1); // pack from [K][N]
    std::vector<int8_t> kn(w.size());
    for (int64_t j = 0; j < s.n; ++j)
      for (int64_t x = 0; x < s.k; ++x)
        kn[x * s.n + j] = w[j * s.k + x];
    StridedMatrix<int8_t> source{w.data(), s.n, s.k, s.k, 1};
    if (transposed)
      source = {kn.data(), s.n, s.k, 1, s.n};
    int64_t half = panels(s.n) / 2;
    packW8(source, 0, half, 128, packed.data(), correction.data());
    packW8(source, half, panels(s.n), 128, packed.data(), correction.data());
    unpackW8(packed.data(), s.n, s.k, back.data());
    ASSERT_EQ(back, w);
    std::vector<float> out(s.m * s.n, -1), want(out);
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t x = 0; x < s.k; ++x)
        sums[i] += int(a[i * aStride + x]) - 128;
      for (int64_t j = 0; j < s.n; ++j) {
        int32_t acc = 0;
        for (int64_t x = 0; x < s.k; ++x)
          acc += (int(a[i * aStride + x]) - 128) * (w[j * s.k + x] - (zeroPoints ? zero[j] : 0));
        want[i * s.n + j] = float(acc) * (aScale[i] * bScale[j]);
      }
    }
    std::vector<int64_t> slots(Slots);
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k, slots[A] = int64_t(a.data());
    slots[AStride] = aStride, slots[AScale] = int64_t(aScale.data()),
    slots[B] = int64_t(packed.data());
    slots[BScale] = int64_t(bScale.data()), slots[BCorrection] = int64_t(correction.data());
    slots[BZero] = int64_t(zero.data()), slots[ASum] = int64_t(sums.data()), slots[ASumStride] = 1;
    slots[Out] = int64_t(out.data()), slots[OutStride] = s.n;
    launch(*jit, slots.data(), matmulTasks(s.m, s.n));
    expectSame(out, want, s, s.n);
  }
}
TEST_P(Matmul, EightBitCodesAreExact) { testW8(*GetParam(), false); }
TEST_P(Matmul, EightBitWeightsWithZeroPoints) { testW8(*GetParam(), true); }

//===-- w4a8 ----------------------------------------------------------------------------------===//

void testW4(const Target &target, int64_t group, Elem scaleType, bool zeroPoints) {
  MatmulSpec spec;
  spec.kind = MatmulKind::W4A8;
  spec.w4 = {group, elemBytes(scaleType), zeroPoints};
  spec.w4Scale = scaleType;
  auto jit = compileMatmul(target, spec);
  for (Shape s : shapes()) {
    s.k = std::max<int64_t>(1, s.k * group / 16 % 300);
    int64_t blocks = ceilDiv(s.k, group), aStride = blocks * group + 4;
    std::vector<int8_t> a(s.m * aStride + 1);
    for (int8_t &v : a)
      v = integer(0, 9) == 0 ? -128 : integer(-128, 127);
    std::vector<uint8_t> codes(s.n * s.k), zeros(s.n * blocks, 8);
    for (uint8_t &v : codes)
      v = integer(0, 15);
    if (zeroPoints)
      for (uint8_t &v : zeros)
        v = integer(0, 15);
    std::vector<float> scale(s.n * blocks), aScale(s.m);
    std::vector<_Float16> scale16(scale.size());
    for (size_t i = 0; i < scale.size(); ++i) {
      scale16[i] = (_Float16)uniform(0.001f, 1);
      scale[i] = scaleType == Elem::F16 ? float(scale16[i]) : uniform(0.001f, 1);
    }
    for (float &v : aScale)
      v = uniform(0.001f, 1);
    W4Source source{
        {codes.data(), s.n, s.k, s.k, 1}, scale.data(), zeroPoints ? zeros.data() : nullptr};
    if (scaleType == Elem::F16)
      source.scales = scale16.data();
    std::vector<uint8_t> packed(spec.w4.bytes(s.n, s.k)), backCodes(codes.size()),
        backZeros(zeros.size());
    std::vector<float> backScale(scale.size());
    packW4(source, spec.w4, 0, panels(s.n), packed.data());
    unpackW4(packed.data(), spec.w4, s.n, s.k, backCodes.data(), backScale.data(),
             backZeros.data());
    ASSERT_EQ(backCodes, codes);
    ASSERT_EQ(backZeros, zeros);
    ASSERT_EQ(std::memcmp(backScale.data(), source.scales, scale.size() * elemBytes(scaleType)), 0);
    std::vector<int32_t> sums(s.m * blocks);
    std::vector<float> out(s.m * s.n, -1), want(out);
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t x = 0; x < s.k; ++x)
        sums[i * blocks + x / group] += a[i * aStride + x];
      for (int64_t j = 0; j < s.n; ++j) {
        float acc = 0;
        for (int64_t b = 0; b < blocks; ++b) {
          int32_t dot = 0;
          for (int64_t x = b * group; x < std::min(s.k, (b + 1) * group); ++x)
            dot += (int(codes[j * s.k + x]) - zeros[j * blocks + b]) * a[i * aStride + x];
          acc = std::fma(float(dot), scale[j * blocks + b], acc);
        }
        want[i * s.n + j] = acc * aScale[i];
      }
    }
    std::vector<int64_t> slots(Slots);
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k, slots[A] = int64_t(a.data());
    slots[AStride] = aStride, slots[AScale] = int64_t(aScale.data()),
    slots[B] = int64_t(packed.data());
    slots[ASum] = int64_t(sums.data()), slots[ASumStride] = blocks;
    slots[Out] = int64_t(out.data()), slots[OutStride] = s.n;
    launch(*jit, slots.data(), matmulTasks(s.m, s.n));
    expectSame(out, want, s, s.n);
  }
}
TEST_P(Matmul, FourBitBlocksOf32) { testW4(*GetParam(), 32, Elem::F16, true); }
TEST_P(Matmul, FourBitBlocksWithoutZeroPoints) { testW4(*GetParam(), 32, Elem::F32, false); }
TEST_P(Matmul, FourBitBlocksOfAnySize) {
  for (int64_t group : {4, 12, 16, 64, 100, 128})
    testW4(*GetParam(), group, Elem::F32, true);
}

//===-- Batched -------------------------------------------------------------------------------===//

void testBatched(const Target &target, bool transposed) {
  MatmulSpec spec;
  spec.kind = MatmulKind::Batched;
  spec.bTransposed = transposed;
  auto jit = compileMatmul(target, spec);
  for (const Shape &s : shapes()) {
    int64_t c0 = 2, c1 = 3, aStride = s.k + 1, bStride = (transposed ? s.k : s.n) + 1;
    int64_t aSize = s.m * aStride, bSize = (transposed ? s.n : s.k) * bStride;
    std::vector<float> a(c0 * c1 * aSize + 1), b(c0 * bSize + 1); // B is shared by batch1
    for (float &v : a)
      v = uniform(-1, 1);
    for (float &v : b)
      v = uniform(-1, 1);
    std::vector<float> out(c0 * c1 * s.m * s.n, -1), want(out);
    for (int64_t x0 = 0; x0 < c0; ++x0)
      for (int64_t x1 = 0; x1 < c1; ++x1)
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < s.n; ++j) {
            float acc = 0;
            for (int64_t x = 0; x < s.k; ++x)
              acc = std::fma(a[(x0 * c1 + x1) * aSize + i * aStride + x],
                             b[x0 * bSize + (transposed ? j * bStride + x : x * bStride + j)], acc);
            want[((x0 * c1 + x1) * s.m + i) * s.n + j] = acc;
          }
    std::vector<int64_t> slots(Slots);
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k, slots[A] = int64_t(a.data());
    slots[AStride] = aStride, slots[B] = int64_t(b.data()), slots[BStride] = bStride;
    slots[Count0] = c0, slots[Count1] = c1, slots[A0] = c1 * aSize, slots[A1] = aSize;
    slots[B0] = bSize, slots[B1] = 0, slots[Out] = int64_t(out.data()), slots[OutStride] = s.n;
    launch(*jit, slots.data(), matmulTasks(s.m, s.n, c0 * c1), matmulScratchBytes(spec.kind, s.k));
    expectSame(out, want, s, s.n);
  }
}
TEST_P(Matmul, BatchedRowMajor) { testBatched(*GetParam(), false); }
TEST_P(Matmul, BatchedTransposed) { testBatched(*GetParam(), true); }

} // namespace
