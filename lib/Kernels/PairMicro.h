// The micro-kernels of products with weights of bf16, which lie in pairs along K: some rows against
// some panels, over all of K, accumulators in registers.
#ifndef QCC_LIB_KERNELS_PAIRMICRO_H
#define QCC_LIB_KERNELS_PAIRMICRO_H

#include "ByteMicro.h"

namespace qcc {

/// Addresses of one tile.
struct PairTile {
  int rows, panels;
  mlir::Value depth;                         ///< K
  llvm::SmallVector<mlir::Value> row, panel; ///< of A and B
  Elem a;                                    ///< floats of A in memory
  bool inDots; ///< A is bf16 in pairs, an odd last one with 0: tile.dot_bf16 multiplies
  Prefetch prefetch;
};

/// The sums [rows][panels] of A's rows times B's columns. Not in dots: B widened to f32, one fma a
/// step, K ascending.
KernelBuilder::Values emitPairMicro(KernelBuilder &k, const PairTile &tile);

/// Rows of floats on their way to pairs. Addresses are those of the first one, strides in elements.
struct RowsToPair {
  Elem elem; ///< in memory
  mlir::Value rows, depth;
  mlir::Value from, fromStride;
  mlir::Value to, toStride; ///< depth rounded up to kMatmulPairRow
};
/// Writes rows as the nearest bf16, followed by zeros.
void emitRowsOfPairs(KernelBuilder &k, const RowsToPair &rows);

} // namespace qcc
#endif
