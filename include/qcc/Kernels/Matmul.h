// The matrix products of kernels: one emitter, four kinds of operands, an epilogue by callback.
//
// out[m][n] = Σ_k A[m][k] · B[n][k], k ascending, computed in tiles that stay in registers over the
// whole of K. What a result is does not depend on M, the level, the tasks or the blocking:
//   f32, batched   one fma a step: acc = fma(A[m][k], B[n][k], acc), starting from +0
//   f32, pairs     the same, but on levels that multiply pairs of bf16 A is rounded to bf16, and
//                  sums are those of tile.dot_bf16, or tile.block_dot, for pairs ascending
//   w8a8           the exact sum in int32 (mod 2^32), then float(acc) * (aScale[m] * bScale[n])
//   block, integer for steps s ascending acc = fma(float(Σ_{k in s} (w - zero) a), scale, acc), the
//                  sum exact and rounded once; scale = bScale, or bScale * aScale of the step's
//                  group; then acc * aScale[m] unless grouped
//   block, float   for blocks b ascending t = Σ_{k in b} by t = fma(a, value(w) - zero, t) from +0,
//                  acc = fma(t, bScale, acc). With pairs, on levels with tensor cores, a and
//                  value(w) - zero are rounded to bf16, and t is summed in another order. With
//                  scalesRows finally acc * aScale[m]
//   block, float8  the same; on levels with tensor cores t is of at most kFloat8Run inputs, and its
//                  order and precision are those of the level
//
// Tasks are level-independent: blocks of rows × blocks of kColBlock columns, as matmulTasks()
// counts. M, N, K, strides and addresses are run-time values, so one kernel serves all layers of
// one structure. Contiguous task ranges share loaded panels: launch with few, long ranges.
#ifndef QCC_KERNELS_MATMUL_H
#define QCC_KERNELS_MATMUL_H

#include "qcc/Algorithms/Pack.h"
#include "qcc/Kernels/KernelBuilder.h"
#include "qcc/Kernels/SmallFloats.h"
#include <array>

namespace qcc {

enum class MatmulKind {
  F32,    ///< A f32 (or f16, bf16) rows; B packed panels of f32, f16 or pairs of bf16
  W8A8,   ///< A u8 codes, B packed s8 codes
  Block,  ///< B codes of 1 to 8 bits in blocks (BlockLayout)
  Batched ///< A and B both activations, B row-major [K][N] or transposed [N][K]
};

/// What multiplies: Int8 and Int16 take codes of activations, Float f32, f16 or bf16 rows, and
/// Float8 those of f8e4m3, with values of Float8E4M3 or Float8E5M2.
enum class BlockCore { Int8, Int16, Float, Float8 };

/// Inputs whose products of 8-bit floats are summed at most before f32 takes them: the cores of
/// sm_90 keep about 14 bits of a sum (DeepSeek-V3, Liu et al. 2024, section 3.3.2).
constexpr int64_t kFloat8Run = 128;

/// What a stored code stands for, before the zero point is taken off.
enum class CodeValue {
  Uniform,    ///< step * code - bias
  Table,      ///< table[code], f32 in front of panel 0 (float core)
  Integers,   ///< integers[code] - bias, up to 4 bits (integer cores)
  Float4E2M1, ///< integer cores: twice the value
  Float8E4M3,
  Float8E5M2
};

/// A product with codes in blocks.
struct BlockProduct {
  BlockLayout layout;
  BlockCore core = BlockCore::Int8;
  CodeValue value = CodeValue::Uniform;
  int32_t step = 1, bias = 0; ///< step: Uniform; with stored zero points the bias must be 0
  std::array<uint8_t, 16> integers = {}; ///< Integers
  float unit = 1; ///< integer cores: scales are multiplied by it (a power of two)
  ScaleForm scale = ScaleForm::F16;
  /// Integer cores: inputs whose sum is scaled at once, 0 for all of K; divides or equals
  /// layout.group. Below a block it is a multiple of layout.unit().
  int64_t inputs = 32;
  bool scalesRows = false; ///< float cores: results are multiplied by aScale
  bool aSums = true;       ///< integer cores: aSum is given; else sums are computed where needed
  int64_t aGroup = 0; ///< integer cores: inputs that share a scale of A, a multiple of `inputs`;
                      ///< 0: aScale is per row
};

struct MatmulSpec {
  MatmulKind kind = MatmulKind::F32;
  Elem a = Elem::F32;       ///< F32, Batched, Block with floats: type of A in memory
  Elem b = Elem::F32;       ///< F32, Batched: type of B in memory
  bool pairs = false;       ///< F32 with B of bf16, Block with floats: A may be rounded to bf16
                            ///< too, and so may values of B
  bool bTransposed = false; ///< Batched
  BlockProduct block;       ///< Block
  bool weightZeroPoints = false; ///< W8A8: B has zero points (bZero, aSum)
};

/// Run-time operands as values of the kernel. Strides in elements. What a kind does not name is
/// null.
struct MatmulOperands {
  mlir::Value m, n, k;    ///< i64
  mlir::Value a, aStride; ///< rows of at least K elements that may be read. W8A8: K rounded up to
                          ///< 64, values past K do not matter. Integer cores: K rounded up to whole
                          ///< blocks or steps, then to 32, values past K are 0; then to 64
  mlir::Value b;          ///< packed (Pack.h), or Batched: base of the batch's matrices
  // W8A8, integer cores and scalesRows: f32 [M], or a uniform f32 in aScaleUniform (static
  // quantization).
  // Grouped: f32 [M][aScaleStride].
  mlir::Value aScale, aScaleUniform, aScaleStride;
  // W8A8: f32 and i32 [N rounded up to 16]; correction is -128 times the sum of each column's
  // codes.
  mlir::Value bScale, bCorrection;
  mlir::Value aZero; ///< W8A8: i32 [M], zero points of the codes as signed numbers;
                     ///< null when all are 0
  mlir::Value bZero; ///< weightZeroPoints: i32 [N rounded up to 16]
  // Integer cores: i32 [M][aSumStride], sums of the codes of each step; weightZeroPoints: i32 [M]
  // of the codes as signed numbers (aSumStride 1).
  mlir::Value aSum, aSumStride;
  mlir::Value aLow; ///< Int16: bytes from a row's high bytes to its low bytes; a code is
                    ///< 256 * high + low, both signed
  // Batched: batch = batch0 * batchCount1 + batch1; element strides of both, 0 to broadcast.
  mlir::Value bStride;
  mlir::Value batchCount0, batchCount1;
  mlir::Value aBatch0, aBatch1, bBatch0, bBatch1;
};

/// One group of 16 results: columns col .. col + 15 of row `row`. `lanes` is null when all are
/// columns of the matrix, else their count (1..15). Batched: the batch indices.
struct MatmulResult {
  mlir::Value row, col, lanes, acc; ///< acc: vector<16xf32>
  mlir::Value batch0, batch1;
};

/// Stores the results; may load bias, residual and so on with the same lanes.
using MatmulEpilogue = llvm::function_ref<void(const MatmulResult &)>;

/// Emits the tasks [begin, end) of the kernel at the insertion point (once a kernel, at its top
/// level).
void emitMatmul(KernelBuilder &k, const MatmulSpec &spec, const MatmulOperands &operands,
                MatmulEpilogue epilogue);

constexpr int64_t kMatmulRowBlock = 96;
constexpr int64_t kMatmulColBlock = 64;

/// Tasks of a product: batch · ceil(m / kMatmulRowBlock) · ceil(n / kMatmulColBlock).
constexpr int64_t matmulTasks(int64_t m, int64_t n, int64_t batch = 1) {
  return batch * ceilDiv(m, kMatmulRowBlock) * ceilDiv(n, kMatmulColBlock);
}

/// Whether 16 rows and more of a product go in matrix tiles where the level has some: 8-bit codes
/// of activations, steps of all of K or of a power of two of inputs.
bool fitsMatrixTiles(const BlockProduct &product);

constexpr int64_t kBlockTileScratchBytes = 32 << 10;
/// Numbers of a row of pairs, and bytes of so many of a block of rows.
constexpr int64_t kMatmulPairRow = 32;
constexpr int64_t kMatmulPairBlock = kMatmulRowBlock * kMatmulPairRow * 2;

/// scratch_bytes of a launch, on all levels: Batched packs kMatmulColBlock columns of B, products
/// in pairs a block of rows of A, whose K is rounded up to kMatmulPairRow; matrix tiles decode some
/// of B.
inline int64_t matmulScratchBytes(const MatmulSpec &spec, int64_t k) {
  if (spec.kind == MatmulKind::Batched)
    return roundUp(k, 16) * kMatmulColBlock * 4;
  if (spec.kind == MatmulKind::F32 && spec.pairs)
    return ceilDiv(k, kMatmulPairRow) * kMatmulPairBlock;
  return spec.kind == MatmulKind::Block && fitsMatrixTiles(spec.block) ? kBlockTileScratchBytes : 0;
}

} // namespace qcc
#endif
