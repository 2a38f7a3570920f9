// Products with a block of columns that was packed into scratch: out[m][p] = sum_k a[m][k]
// pack[k][p], k ascending, one fused multiply-add a step (integers: exact modulo the compute type).
// 16-bit integers go two to a step: pack[k / 2][p][k % 2], an odd last k with 0.
// Also the transposition by which rows become columns.
#ifndef QCC_LIB_LOWER_PACKEDPRODUCT_H
#define QCC_LIB_LOWER_PACKEDPRODUCT_H

#include "Qnt/Qnt.h"
#include "qcc/Kernels/KernelBuilder.h"

namespace qcc::lower {

/// Columns of a packed block: two vectors.
constexpr int64_t packedColumns = 32;

/// The element type that computes on `elem`, as it lies in scratch.
Elem computeElem(Elem elem);
/// Whether products of `elem` go two to a step.
inline bool goesInPairs(Elem elem) { return elem == Elem::I16; }
/// Bytes of a packed block.
qnt::DimExpr packedBytes(Elem elem, qnt::DimExpr depth);

struct PackedProduct {
  Elem elem;                ///< of a; the block holds computeElem(elem)
  mlir::Value a, rowStride; ///< a[m][k] at a + m * rowStride + k
  mlir::Value pack, depth;  ///< [depth][packedColumns], in pairs [depth / 2 up][packedColumns][2]
  mlir::Value columns;      ///< how many of packedColumns exist
};

/// For m in 0 .. rows and each half of the columns: store(m, first column, lanes or null, sum).
void emitPackedProduct(
    KernelBuilder &k, const PackedProduct &product, mlir::Value rows,
    llvm::function_ref<void(mlir::Value m, mlir::Value column, mlir::Value lanes, mlir::Value sum)>
        store);

/// Sixteen vectors transposed: result[i][j] = rows[j][i].
llvm::SmallVector<mlir::Value> transpose16(KernelBuilder &k, llvm::ArrayRef<mlir::Value> rows);

/// dst[d * dstStride + r] = row(r)[d] for r in 0 .. 16 and d in 0 .. depth, converted to the
/// compute type. `load(r, d, lanes)` gives elements d .. d + 15 of row r.
void packTransposed16(
    KernelBuilder &k, Elem compute, mlir::Value depth, mlir::Value dst, int64_t dstStride,
    llvm::function_ref<mlir::Value(int64_t r, mlir::Value d, mlir::Value lanes)> load);

} // namespace qcc::lower
#endif
