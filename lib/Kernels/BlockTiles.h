// Products of many rows with codes in blocks, in matrix tiles.
#ifndef QCC_LIB_KERNELS_BLOCKTILES_H
#define QCC_LIB_KERNELS_BLOCKTILES_H

#include "qcc/Kernels/Matmul.h"

namespace qcc {

/// At least 16 rows of A, and one panel. What the product does not read is null.
struct BlockTileRange {
  mlir::Value rows, depth;
  mlir::Value a, aStride;
  mlir::Value panel;
  mlir::Value aSum, aSumStride, aScale, aScaleStride;
};

/// Once a kernel call, before emitBlockTiles.
void beginBlockTiles(KernelBuilder &k, const BlockProduct &product);

/// Leaves the results of all rows in scratch, not yet multiplied by what a whole row shares.
void emitBlockTiles(KernelBuilder &k, const BlockProduct &product, const BlockTileRange &range);

/// The results [16][16] of rows 16 * index to 16 * index + 15 of the range or, at its end, of its
/// last 16 rows.
mlir::Value blockTileSums(KernelBuilder &k, mlir::Value index);

} // namespace qcc
#endif
