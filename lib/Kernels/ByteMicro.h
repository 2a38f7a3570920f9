// The micro-kernels of products of 8-bit codes with 8-bit codes: some rows against some panels,
// over all of K, accumulators in registers.
#ifndef QCC_LIB_KERNELS_BYTEMICRO_H
#define QCC_LIB_KERNELS_BYTEMICRO_H

#include "qcc/Kernels/KernelBuilder.h"

namespace qcc {

/// What a tile asks for before it is needed: streams of weights, as far as the second-level cache.
/// The first one has too few open misses for what lone rows read.
struct Prefetch {
  mlir::Value ahead; ///< bytes from what is read to what is asked for
  mlir::Value when;  ///< i1, null: always
};

/// Asks for what lies `prefetch.ahead` behind `bytes` of each stream from `offset` on.
void prefetchAhead(KernelBuilder &k, llvm::ArrayRef<mlir::Value> streams, mlir::Value offset,
                   int64_t bytes, const Prefetch &prefetch);

/// Addresses of one tile.
struct ByteTile {
  int rows, panels;
  mlir::Value depth;                         ///< K
  llvm::SmallVector<mlir::Value> row, panel; ///< of A and B
  mlir::Value correction;                    ///< -128 times the sums of B, of the first panel on
  mlir::Value correctionStep;                ///< from a panel's to the next one's, in elements
  Prefetch prefetch;
};

/// The exact sums [rows][panels] of A's codes, less 128, times B's.
KernelBuilder::Values emitByteMicro(KernelBuilder &k, const ByteTile &tile);

/// Codes 4 * step to 4 * step + 3 from `row` on in every 32-bit lane. `fromLanes`: every 16 codes
/// from there are loaded at once. `flip` makes signed codes of those that have 128 added.
mlir::Value broadcastCodes(KernelBuilder &k, mlir::Value row, int64_t step, bool fromLanes,
                           bool flip = false);

} // namespace qcc
#endif
