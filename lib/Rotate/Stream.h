// The residual stream of a model: all values that one rotation of channels has to turn together.
#ifndef QCC_LIB_ROTATE_STREAM_H
#define QCC_LIB_ROTATE_STREAM_H

#include "Weights.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

namespace qcc::rotate {

/// Grown from a norm over everything that commutes with rotations of the last axis: sums, scalings
/// by a number per row, views, look-ups of rows, norms without gain. Layers begin and end it.
class Stream {
public:
  explicit Stream(mlir::Operation *norm);

  int64_t channels = 0;
  llvm::SetVector<mlir::Value> values;
  llvm::SmallVector<qnt::LinearOp> writers, readers;
  llvm::SmallVector<mlir::Operation *> norms;
  /// Uses of constants, which rotate as recipes.
  llvm::SmallVector<mlir::OpOperand *> constants;
  /// Values made by something that does not commute, and the uses of others by such.
  llvm::SetVector<mlir::Value> entries;
  llvm::MapVector<mlir::Value, llvm::SmallVector<mlir::OpOperand *>> exits;

  /// Why the stream cannot rotate exactly, or null.
  const char *whyNot() const;
  /// Layer norms subtract the mean, which rotations do not keep: the stream is made to have none.
  bool isCentred() const;
  /// Whether `use`, of an entry, reads the rotated value.
  bool isInside(mlir::OpOperand &use) const;

private:
  void join(mlir::Value value);
  void visitProducer(mlir::Value value);
  void visitUses(mlir::Value value);
  bool keepsMean(mlir::Value value, int depth = 0) const;

  llvm::SmallVector<mlir::Value> work;
};

} // namespace qcc::rotate
#endif
