// The operations on matrix tiles (tile.configure, block_dot, step_dot, release) for one feature
// level.
#ifndef QCC_LIB_KERNELS_LOWERMATRIXTILES_H
#define QCC_LIB_KERNELS_LOWERMATRIXTILES_H

#include "mlir/IR/Operation.h"
#include "qcc/Target/Target.h"

namespace qcc {

/// Whether it is one of these.
bool isMatrixTileOp(mlir::Operation *op);

/// Replaces the operation by instructions on tile registers, or by loops that hold tile.dot4.
void lowerMatrixTileOp(mlir::Operation *op, const Target &target);

/// A buffer of the stack frame of the function that holds `op`.
mlir::Value frameBuffer(mlir::Operation *op, int64_t bytes);

} // namespace qcc
#endif
