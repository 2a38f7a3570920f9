// The micro-kernels of products with codes in blocks: some rows against some panels, over all of K,
// accumulators in registers.
#ifndef QCC_LIB_KERNELS_BLOCKMICRO_H
#define QCC_LIB_KERNELS_BLOCKMICRO_H

#include "ByteMicro.h"
#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// Addresses of one tile. What a core does not read is null.
struct BlockTile {
  int rows, panels;
  Prefetch prefetch;
  mlir::Value depth;                             ///< K
  llvm::SmallVector<mlir::Value> row, panel;     ///< of A, and of B with its header
  llvm::SmallVector<mlir::Value> rowSum, aScale; ///< of each row
  mlir::Value aLow, table;
};

/// Bytes of a panel, for K known at run time.
mlir::Value blockPanelBytes(KernelBuilder &k, const BlockLayout &layout, mlir::Value depth);

/// The results [rows][panels], not yet multiplied by what a whole row shares.
KernelBuilder::Values emitBlockMicro(KernelBuilder &k, const MatmulSpec &spec,
                                     const BlockTile &tile);

} // namespace qcc
#endif
