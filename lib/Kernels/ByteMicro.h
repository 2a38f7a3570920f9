// The micro-kernels of products of 8-bit codes with 8-bit codes: some rows against some panels,
// over all of K, accumulators in registers.
#ifndef QCC_LIB_KERNELS_BYTEMICRO_H
#define QCC_LIB_KERNELS_BYTEMICRO_H

#include "qcc/Kernels/KernelBuilder.h"

namespace qcc {

/// Addresses of one tile.
struct ByteTile {
  int rows, panels;
  mlir::Value depth;                         ///< K
  llvm::SmallVector<mlir::Value> row, panel; ///< of A and B
  mlir::Value correction;                    ///< -128 times the sums of B, of the first panel on
  mlir::Value correctionStep;                ///< from a panel's to the next one's, in elements
  bool prefetch;                             ///< few rows wait for memory
};

/// Asks for what a stream of weights reads two kilobytes after `offset`, as far as the second-level
/// cache: eight streams that far ahead would fill the first, and its few open misses.
inline void prefetchAhead(KernelBuilder &k, mlir::Value stream, mlir::Value offset) {
  k.prefetch(k.bytePtr(stream, k.add(offset, k.ci64(2048))), /*locality=*/2);
}

/// The exact sums [rows][panels] of A's codes, less 128, times B's.
KernelBuilder::Values emitByteMicro(KernelBuilder &k, const ByteTile &tile);

/// Codes 4 * step to 4 * step + 3 from `row` on in every 32-bit lane. `fromLanes`: every 16 codes
/// from there are loaded at once. `flip` makes signed codes of those that have 128 added.
mlir::Value broadcastCodes(KernelBuilder &k, mlir::Value row, int64_t step, bool fromLanes,
                           bool flip = false);

} // namespace qcc
#endif
