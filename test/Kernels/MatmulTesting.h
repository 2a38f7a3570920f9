// What tests of matrix products share: a kernel that stores its results, launches, shapes.
#ifndef QCC_TEST_KERNELS_MATMULTESTING_H
#define QCC_TEST_KERNELS_MATMULTESTING_H

#include "Jit.h"
#include "qcc/Kernels/Matmul.h"
#include "gtest/gtest.h"
#include <cstring>
#include <random>

namespace qcc::test {

using Value = mlir::Value;

inline std::string levelName(const testing::TestParamInfo<const Target *> &i) {
  std::string s = i.param->name;
  std::replace(s.begin(), s.end(), '-', '_');
  return s;
}

inline std::mt19937 rng(7);
inline float uniform(float lo, float hi) {
  return std::uniform_real_distribution<float>(lo, hi)(rng);
}
inline int integer(int lo, int hi) { return std::uniform_int_distribution<int>(lo, hi)(rng); }

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
  AScaleStride,
  ALow,
  Slots
};

/// A kernel that stores the results as they come.
using MatmulEmitter = llvm::function_ref<void(KernelBuilder &, const MatmulSpec &,
                                              const MatmulOperands &, MatmulEpilogue)>;
inline void buildMatmul(mlir::ModuleOp module, llvm::StringRef name, const Target &target,
                        const MatmulSpec &spec, MatmulEmitter emit = emitMatmul) {
  KernelBuilder k(module, name, target);
  MatmulOperands o;
  o.m = k.argI64(M), o.n = k.argI64(N), o.k = k.argI64(K);
  o.a = k.argPtr(A), o.aStride = k.argI64(AStride), o.b = k.argPtr(B);
  o.aScale = k.argPtr(AScale), o.aSum = k.argPtr(ASum), o.aSumStride = k.argI64(ASumStride);
  o.bScale = k.argPtr(BScale), o.bCorrection = k.argPtr(BCorrection), o.bZero = k.argPtr(BZero);
  o.aScaleStride = k.argI64(AScaleStride), o.aLow = k.argI64(ALow);
  o.bStride = k.argI64(BStride), o.batchCount0 = k.argI64(Count0), o.batchCount1 = k.argI64(Count1);
  o.aBatch0 = k.argI64(A0), o.aBatch1 = k.argI64(A1);
  o.bBatch0 = k.argI64(B0), o.bBatch1 = k.argI64(B1);
  emit(k, spec, o, [&](const MatmulResult &r) {
    Value row = r.row;
    if (r.batch0) // out is [batch0][batch1][M][N]
      row = k.add(row, k.mul(k.add(k.mul(r.batch0, o.batchCount1), r.batch1), o.m));
    k.vstore(Elem::F32, r.acc, k.argPtr(Out), k.add(k.mul(row, k.argI64(OutStride)), r.col),
             r.lanes);
  });
  k.finish();
}

inline std::unique_ptr<Jit> compileMatmul(const Target &target, const MatmulSpec &spec) {
  return Jit::build(target,
                    [&](mlir::ModuleOp module) { buildMatmul(module, "matmul", target, spec); });
}

/// Runs all tasks in ranges of random lengths, as a pool might.
inline void launch(Jit &jit, const int64_t *slots, int64_t tasks, int64_t scratchBytes = 0) {
  void *scratch = scratchBytes ? std::aligned_alloc(64, roundUp(scratchBytes, 64)) : nullptr;
  if (scratch)
    std::memset(scratch, 0xff, scratchBytes); // nothing in it may matter
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
inline std::vector<Shape> shapes() {
  std::vector<Shape> s = {{1, 1, 1},   {1, 128, 64}, {1, 200, 33},   {7, 64, 32}, {12, 64, 8},
                          {96, 16, 5}, {97, 80, 40}, {131, 130, 70}, {0, 16, 16}};
  for (int64_t m = 1; m <= 20; ++m)
    s.push_back({m, integer(1, 150), integer(1, 100)});
  return s;
}

inline void expectSame(const std::vector<float> &got, const std::vector<float> &want,
                       const Shape &s, int64_t stride) {
  for (size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(std::memcmp(&got[i], &want[i], 4), 0)
        << "M " << s.m << " N " << s.n << " K " << s.k << " at " << i / stride << "," << i % stride
        << ": " << got[i] << " instead of " << want[i];
}

} // namespace qcc::test
#endif
