// What a driver asks of the transform stage about single layers.
#ifndef QCC_TRANSFORM_LAYERS_H
#define QCC_TRANSFORM_LAYERS_H

#include "Qnt/Qnt.h"
#include "mlir/IR/PatternMatch.h"

namespace qcc::transform {

/// Why the channels of the value that `observe` sees cannot be scaled before the layers that read
/// it, null where they can; and why they cannot be in what makes the value.
const char *whyNotScaled(qnt::ObserveOp observe);
const char *whyNotMigrated(qnt::ObserveOp observe);

/// Adds constants to the outputs of a layer.
void addToBias(mlir::RewriterBase &rewriter, qnt::LinearOp layer, llvm::ArrayRef<float> shift);

/// What the node of a layer with promoted rows is called: the layer's name, then this.
inline constexpr llvm::StringLiteral promotedSuffix = "/promoted_rows";
/// Why the rows of a layer cannot be parted; null where they can.
const char *whyNotPromoted(qnt::LinearOp layer);
/// Parts `layer` along its outputs: `rows` (ascending, not all) become a layer of their own, and
/// the outputs of both are put back in order. Changes no value.
void promoteRows(mlir::RewriterBase &rewriter, qnt::LinearOp layer, llvm::ArrayRef<int32_t> rows);

} // namespace qcc::transform
#endif
