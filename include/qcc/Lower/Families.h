// Kernel families: for each `kind` of qnt.kernel, how it is launched and how it is written.
#ifndef QCC_LOWER_FAMILIES_H
#define QCC_LOWER_FAMILIES_H

#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

struct KernelFamily {
  llvm::StringLiteral kind;
  /// Grid and scratch of a launch. The same on every feature level, because one compiled body
  /// serves all of them.
  mlir::FailureOr<LaunchShape> (*shape)(qnt::KernelOp kernel);
  /// Writes the body between construction of the frame and KernelBuilder::finish().
  llvm::LogicalResult (*emit)(KernelFrame &frame);
};

/// The family of `kind`, or null.
const KernelFamily *findFamily(llvm::StringRef kind);

// Rows and maps: elementwise ops around reductions of the last axis, in sweeps over one row.
mlir::FailureOr<LaunchShape> rowShape(qnt::KernelOp kernel);
llvm::LogicalResult emitRow(KernelFrame &frame);
mlir::FailureOr<LaunchShape> mapShape(qnt::KernelOp kernel);
llvm::LogicalResult emitMap(KernelFrame &frame);

// Constant-matrix products with a fused epilogue.
mlir::FailureOr<LaunchShape> linearShape(qnt::KernelOp kernel);
llvm::LogicalResult emitLinear(KernelFrame &frame);

/// Products of the sizes of all axes but the last.
qnt::DimExpr rowCount(mlir::MLIRContext *context, llvm::ArrayRef<qnt::DimExpr> dims);

} // namespace qcc::lower
#endif
