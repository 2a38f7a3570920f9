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

// Attention, rotary embedding and caches.
mlir::FailureOr<LaunchShape> attentionShape(qnt::KernelOp kernel);
llvm::LogicalResult emitAttention(KernelFrame &frame);
mlir::FailureOr<LaunchShape> ropeShape(qnt::KernelOp kernel);
llvm::LogicalResult emitRope(KernelFrame &frame);
mlir::FailureOr<LaunchShape> kvBeginShape(qnt::KernelOp kernel);
llvm::LogicalResult emitKvBegin(KernelFrame &frame);
mlir::FailureOr<LaunchShape> kvAppendShape(qnt::KernelOp kernel);
llvm::LogicalResult emitKvAppend(KernelFrame &frame);
mlir::FailureOr<LaunchShape> encodeRowsShape(qnt::KernelOp kernel);
llvm::LogicalResult emitEncodeRows(KernelFrame &frame);
mlir::FailureOr<LaunchShape> decodeRowsShape(qnt::KernelOp kernel);
llvm::LogicalResult emitDecodeRows(KernelFrame &frame);

// Products of activations, and convolution.
mlir::FailureOr<LaunchShape> matmulShape(qnt::KernelOp kernel);
llvm::LogicalResult emitMatmulKernel(KernelFrame &frame);
mlir::FailureOr<LaunchShape> convShape(qnt::KernelOp kernel);
llvm::LogicalResult emitConv(KernelFrame &frame);

// Elements moved, made, read or written by index.
mlir::FailureOr<LaunchShape> concatShape(qnt::KernelOp kernel);
llvm::LogicalResult emitConcat(KernelFrame &frame);
mlir::FailureOr<LaunchShape> chooseShape(qnt::KernelOp kernel);
llvm::LogicalResult emitChoose(KernelFrame &frame);
mlir::FailureOr<LaunchShape> padShape(qnt::KernelOp kernel);
llvm::LogicalResult emitPad(KernelFrame &frame);
mlir::FailureOr<LaunchShape> iotaShape(qnt::KernelOp kernel);
llvm::LogicalResult emitIota(KernelFrame &frame);
mlir::FailureOr<LaunchShape> gatherShape(qnt::KernelOp kernel);
llvm::LogicalResult emitGather(KernelFrame &frame);
mlir::FailureOr<LaunchShape> gatherElementsShape(qnt::KernelOp kernel);
llvm::LogicalResult emitGatherElements(KernelFrame &frame);
mlir::FailureOr<LaunchShape> gatherNdShape(qnt::KernelOp kernel);
llvm::LogicalResult emitGatherNd(KernelFrame &frame);
mlir::FailureOr<LaunchShape> qgatherShape(qnt::KernelOp kernel);
llvm::LogicalResult emitQGather(KernelFrame &frame);
mlir::FailureOr<LaunchShape> dequantizeShape(qnt::KernelOp kernel);
llvm::LogicalResult emitDequantize(KernelFrame &frame);
mlir::FailureOr<LaunchShape> scatterShape(qnt::KernelOp kernel);
llvm::LogicalResult emitScatterNd(KernelFrame &frame);
llvm::LogicalResult emitScatterElements(KernelFrame &frame);
mlir::FailureOr<LaunchShape> resizeShape(qnt::KernelOp kernel);
llvm::LogicalResult emitResize(KernelFrame &frame);

// Walks along an axis. "non_zero" needs the number of non-zero elements as a dimension;
// "non_zero_count" computes it.
mlir::FailureOr<LaunchShape> argReduceShape(qnt::KernelOp kernel);
llvm::LogicalResult emitArgReduce(KernelFrame &frame);
mlir::FailureOr<LaunchShape> cumSumShape(qnt::KernelOp kernel);
llvm::LogicalResult emitCumSum(KernelFrame &frame);
mlir::FailureOr<LaunchShape> topKShape(qnt::KernelOp kernel);
llvm::LogicalResult emitTopK(KernelFrame &frame);
mlir::FailureOr<LaunchShape> nonZeroShape(qnt::KernelOp kernel);
llvm::LogicalResult emitNonZero(KernelFrame &frame);
llvm::LogicalResult emitNonZeroCount(KernelFrame &frame);

// Rotations, and the side path of outliers.
mlir::FailureOr<LaunchShape> hadamardShape(qnt::KernelOp kernel);
llvm::LogicalResult emitHadamard(KernelFrame &frame);
mlir::FailureOr<LaunchShape> sparseLinearShape(qnt::KernelOp kernel);
llvm::LogicalResult emitSparseLinear(KernelFrame &frame);

/// Products of the sizes of all axes but the last.
qnt::DimExpr rowCount(mlir::MLIRContext *context, llvm::ArrayRef<qnt::DimExpr> dims);

} // namespace qcc::lower
#endif
