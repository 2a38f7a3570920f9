// The micro-kernels of products with codes in blocks: some rows against some panels, over all of K,
// accumulators in registers.
#ifndef QCC_LIB_KERNELS_BLOCKMICRO_H
#define QCC_LIB_KERNELS_BLOCKMICRO_H

#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// Addresses of one tile. What a core does not read is null.
struct BlockTile {
  int rows, panels;
  bool prefetch;                                 ///< few rows wait for memory
  mlir::Value depth;                             ///< K
  llvm::SmallVector<mlir::Value> row, panel;     ///< of A, and of B with its header
  llvm::SmallVector<mlir::Value> rowSum, aScale; ///< of each row
  mlir::Value aLow, table;
};

/// Asks for what a stream of weights reads two kilobytes after `offset`, as far as the second-level
/// cache: eight streams that far ahead would fill the first, and its few open misses.
inline void prefetchAhead(KernelBuilder &k, mlir::Value stream, mlir::Value offset) {
  k.prefetch(k.bytePtr(stream, k.add(offset, k.ci64(2048))), /*locality=*/2);
}

/// Bytes of a panel, for K known at run time.
mlir::Value blockPanelBytes(KernelBuilder &k, const BlockLayout &layout, mlir::Value depth);

/// The results [rows][panels], not yet multiplied by what a whole row shares.
KernelBuilder::Values emitBlockMicro(KernelBuilder &k, const MatmulSpec &spec,
                                     const BlockTile &tile);

} // namespace qcc
#endif
