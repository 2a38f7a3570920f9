// Matrix products on every level of the host against scalar references, bit by bit: random shapes
// with every remainder of rows, columns and K.
#include "AmxEmulator.h"
#include "MatmulTesting.h"
#include "qcc/Algorithms/FloatFormats.h"
#include <cmath>
#include <functional>

using namespace qcc;
using namespace qcc::test;

namespace {

class Matmul : public testing::TestWithParam<const Target *> {};
INSTANTIATE_TEST_SUITE_P(Host, Matmul, testing::ValuesIn(levelsWithAmx()), levelName);

//===-- f32 -----------------------------------------------------------------------------------===//

/// `v` as weights of `type` hold it, and its bits where they are 16.
float rounded(float v, Elem type) {
  return type == Elem::F16    ? float((_Float16)v)
         : type == Elem::BF16 ? floatFromBfloat(bfloatFromFloat(v))
                              : v;
}
uint16_t bitsOf(float v, Elem type) {
  return type == Elem::F16 ? halfFromFloat(v) : bfloatFromFloat(v);
}

/// The sum of K products.
using Sum = std::function<float(const float *a, const float *w, int64_t k)>;

float oneFmaAStep(const float *a, const float *w, int64_t k) {
  float acc = 0;
  for (int64_t i = 0; i < k; ++i)
    acc = std::fma(a[i], w[i], acc);
  return acc;
}

/// The product of weights and of A rounded to bf16.
float product(const float *a, const float *w, int64_t i, int64_t k, float acc) {
  return i < k ? std::fma(rounded(a[i], Elem::BF16), w[i], acc) : acc;
}

/// As vdpbf16ps adds: the second of each pair first.
float pairsInTurn(const float *a, const float *w, int64_t k) {
  float acc = 0;
  for (int64_t i = 0; i < k; i += 2)
    acc = product(a, w, i, k, product(a, w, i + 1, k, acc));
  return acc;
}

/// As tdpbf16ps adds: of 32 inputs sums of the first and of the second of all pairs.
float pairsInTiles(const float *a, const float *w, int64_t k) {
  float acc = 0;
  for (int64_t from = 0; from < k; from += 32) {
    float part[2] = {};
    for (int64_t i = from; i < from + 32; ++i)
      part[i % 2] = product(a, w, i, k, part[i % 2]);
    acc += part[0] + part[1];
  }
  return acc;
}

/// Expects that each result is one of `sums`. What lies between rows of A is not read.
void testFloat(const Target &target, const MatmulSpec &spec, const std::vector<Shape> &shapes,
               const std::vector<Sum> &sums = {oneFmaAStep}) {
  auto jit = compileMatmul(target, spec);
  for (const Shape &s : shapes) {
    int64_t aStride = s.k + integer(0, 3), outStride = s.n + 2;
    std::vector<float> a(s.m * aStride + 1, NAN), w(s.n * s.k),
        packed(packedFloatBytes(s.n, s.k, 4) / 4);
    for (int64_t i = 0; i < s.m * s.k; ++i)
      a[i / s.k * aStride + i % s.k] = uniform(-1, 1);
    for (float &v : w)
      v = rounded(uniform(-1, 1), spec.b);
    std::vector<uint16_t> bits(w.size()), packedBits(packedPairBytes(s.n, s.k) / 2);
    for (size_t i = 0; i < w.size(); ++i)
      bits[i] = bitsOf(w[i], spec.b);
    packF32({w.data(), s.n, s.k, s.k, 1}, 0, panels(s.n), packed.data());
    StridedMatrix<uint16_t> halves{bits.data(), s.n, s.k, s.k, 1};
    spec.b == Elem::BF16 ? packPairs(halves, 0, panels(s.n), packedBits.data())
                         : packBits16(halves, 0, panels(s.n), packedBits.data());
    std::vector<float> back(w.size());
    unpackF32(packed.data(), s.n, s.k, back.data());
    ASSERT_EQ(back, w);
    std::vector<float> out(s.m * outStride, -1), want(out);
    std::vector<int64_t> slots(Slots);
    slots[M] = s.m, slots[N] = s.n, slots[K] = s.k, slots[A] = int64_t(a.data());
    slots[AStride] = aStride, slots[Out] = int64_t(out.data()), slots[OutStride] = outStride;
    slots[B] = elemBytes(spec.b) == 2 ? int64_t(packedBits.data()) : int64_t(packed.data());
    launch(*jit, slots.data(), matmulTasks(s.m, s.n), matmulScratchBytes(spec, s.k));
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t j = 0; j < s.n; ++j) {
        float &expected = want[i * outStride + j], got = out[i * outStride + j];
        for (const Sum &sum : sums)
          if (expected = sum(&a[i * aStride], &w[j * s.k], s.k); expected == got)
            break;
      }
    expectSame(out, want, s, outStride);
  }
}

MatmulSpec floats(Elem weights, bool pairs = false) {
  MatmulSpec spec;
  spec.b = weights, spec.pairs = pairs;
  return spec;
}

TEST_P(Matmul, FloatIsOneFmaAStep) { testFloat(*GetParam(), floats(Elem::F32), shapes()); }
TEST_P(Matmul, HalfWeightsConvertOnLoad) { testFloat(*GetParam(), floats(Elem::F16), shapes()); }
TEST_P(Matmul, BfloatWeightsConvertOnLoad) { testFloat(*GetParam(), floats(Elem::BF16), shapes()); }

//===-- w8a8 ----------------------------------------------------------------------------------===//

/// With `extreme` all codes are ends of their ranges.
void testW8(const Target &target, bool zeroPoints, const std::vector<Shape> &shapes,
            bool extreme = false) {
  MatmulSpec spec;
  spec.kind = MatmulKind::W8A8;
  spec.weightZeroPoints = zeroPoints;
  auto jit = compileMatmul(target, spec);
  for (const Shape &s : shapes) {
    int64_t aStride = roundUp(s.k, 64) + 64 * integer(0, 2), n16 = roundUp(s.n, 16);
    std::vector<uint8_t> a(s.m * aStride + 4);
    std::vector<int8_t> w(s.n * s.k), packed(packedW8Bytes(s.n, s.k)), back(w.size());
    for (uint8_t &v : a)
      v = extreme || integer(0, 9) == 0 ? 255 * integer(0, 1) : integer(0, 255);
    for (int8_t &v : w)
      v = extreme || integer(0, 9) == 0 ? -128 + 255 * integer(0, 1) : integer(-128, 127);
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
TEST_P(Matmul, EightBitCodesAreExact) { testW8(*GetParam(), false, shapes()); }
TEST_P(Matmul, EightBitWeightsWithZeroPoints) { testW8(*GetParam(), true, shapes()); }

/// Every number of rows through the first tile of a second task, and every remainder of panels.
std::vector<Shape> tileShapes() {
  std::vector<Shape> s = {{97, 144, 64}, {128, 32, 192}, {193, 48, 60}, {224, 33, 128}};
  for (int64_t m = 1; m <= 70; ++m)
    s.push_back({m, integer(1, 150), integer(1, 260)});
  return s;
}

/// Levels without AMX take the same way in loops of their own instructions.
TEST_P(Matmul, EightBitCodesInMatrixTiles) {
  Target target = *GetParam();
  target.hasTiles = true;
  testW8(target, false, tileShapes());
  testW8(target, true, {{33, 70, 100}, {50, 32, 64}});
  testW8(target, false, {{16, 32, 64}, {35, 80, 1000}, {48, 64, 4096}}, /*extreme=*/true);
}

//===-- Pairs of bf16 -------------------------------------------------------------------------===//

/// Levels without dots of bf16 widen the weights; matrix tiles are for blocks of many rows.
TEST_P(Matmul, PairsOfBfloat) {
  const Target &target = *GetParam();
  std::vector<Sum> sums{target.hasBf16Dots ? pairsInTurn : oneFmaAStep};
  if (target.hasAmx())
    sums.push_back(pairsInTiles);
  testFloat(target, floats(Elem::BF16, true), shapes(), sums);
  testFloat(target, floats(Elem::BF16, true), tileShapes(), sums);
}

/// Levels without AMX take the same way in loops of their own instructions.
TEST_P(Matmul, PairsOfBfloatInMatrixTiles) {
  Target target = *GetParam();
  if (!target.hasBf16Dots)
    GTEST_SKIP() << target.name << " has no dots of bf16";
  target.hasTiles = true;
  testFloat(target, floats(Elem::BF16, true), {{35, 80, 1000}, {64, 33, 31}, {16, 32, 64}},
            {target.hasAmx() ? pairsInTiles : pairsInTurn, pairsInTurn});
}

/// A product of 64 rows by whole pairs of panels is in tiles alone.
TEST_P(Matmul, ManyRowsOfPairsAreInMatrixTiles) {
  if (!GetParam()->hasAmx())
    GTEST_SKIP() << GetParam()->name << " has no tiles";
  testFloat(*GetParam(), floats(Elem::BF16, true), {{64, 64, 96}, {70, 128, 33}}, {pairsInTiles});
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
    launch(*jit, slots.data(), matmulTasks(s.m, s.n, c0 * c1), matmulScratchBytes(spec, s.k));
    expectSame(out, want, s, s.n);
  }
}
TEST_P(Matmul, BatchedRowMajor) { testBatched(*GetParam(), false); }
TEST_P(Matmul, BatchedTransposed) { testBatched(*GetParam(), true); }

} // namespace
