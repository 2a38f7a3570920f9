// Constant weights of layers, and their rotation.
#ifndef QCC_LIB_ROTATE_WEIGHTS_H
#define QCC_LIB_ROTATE_WEIGHTS_H

#include "Qnt/Qnt.h"
#include "mlir/IR/PatternMatch.h"

namespace qcc::rotate {

/// Whether `value` is made of weights and constants alone.
bool isConstant(mlir::Value value);
/// Whether weight and bias of `layer` are constant, of f32, and did not come quantized.
bool hasFloatWeights(qnt::LinearOp layer);

/// The rotation of one axis in consecutive blocks.
struct Rotation {
  int64_t block;
  uint64_t seed;
  mlir::Value rotate(mlir::RewriterBase &rewriter, mlir::Value x, int64_t axis,
                     bool inverse = false) const;
  /// The layer on rotated inputs: each row of the weight rotates as they do.
  void foldIntoInput(mlir::RewriterBase &rewriter, qnt::LinearOp layer) const;
  /// The layer with rotated outputs: columns of the weight and the bias rotate.
  void foldIntoOutput(mlir::RewriterBase &rewriter, qnt::LinearOp layer) const;
};

/// Constant expressions may stand anywhere; `op` is needed above `place`.
void moveAbove(mlir::Operation *op, mlir::Operation *place);
/// The largest |w| of each column over the layers, 1 where a column is zero.
mlir::Value columnMagnitudes(mlir::RewriterBase &rewriter, llvm::SmallVector<qnt::LinearOp> layers);

} // namespace qcc::rotate
#endif
