// What the passes of the transform stage share: constants as long lists, layers with constant
// weights, decisions about them.
#ifndef QCC_LIB_TRANSFORM_LAYERQUERIES_H
#define QCC_LIB_TRANSFORM_LAYERQUERIES_H

#include "Qnt/Qnt.h"
#include "mlir/IR/PatternMatch.h"
#include "qcc/Support/Decisions.h"
#include "qcc/Support/Ranges.h"
#include "qcc/Support/Statistics.h"

namespace qcc::transform {

/// Whether `value` is made of weights and constants alone.
bool isConstant(mlir::Value value);
/// Whether the weight of `layer` is a constant matrix of f32 that did not come quantized.
bool hasFloatWeight(qnt::LinearOp layer);
/// Channels of the input, or of the output.
int64_t inputsOf(qnt::LinearOp layer);
int64_t outputsOf(qnt::LinearOp layer);

/// A constant of one axis; a long one is several side by side.
mlir::Value constantList(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<float> list);
mlir::Value constantList(mlir::OpBuilder &builder, mlir::Location loc,
                         llvm::ArrayRef<int32_t> list);
/// `value` repeated over `type`.
mlir::Value filled(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type, float value);

/// The observer at the input of `layer`, or null.
qnt::ObserveOp observerOf(qnt::LinearOp layer);

/// What the options of a pass name. Empty paths give empty stores; errors are emitted on `at`.
struct Files {
  RangeStore ranges;
  StatisticsStore statistics; ///< where the file of ranges is one of statistics
  DecisionStore decisions;
  mlir::LogicalResult read(mlir::Operation *at, llvm::StringRef rangesPath,
                           llvm::StringRef decisionsPath);
  const LayerDecision *decisionFor(qnt::LinearOp layer) const;
};

/// Reports that a decision has `got` entries under `key` where `want` are needed.
mlir::LogicalResult unfit(qnt::LinearOp layer, llvm::StringRef key, size_t got, int64_t want);

} // namespace qcc::transform
#endif
