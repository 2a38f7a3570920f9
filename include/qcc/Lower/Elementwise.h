// One elementwise op on scalars or 16-lane vectors.
#ifndef QCC_LOWER_ELEMENTWISE_H
#define QCC_LOWER_ELEMENTWISE_H

#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

/// The value of `op` (a qnt op with the Elementwise trait) from the compute values of its operands,
/// which are all scalars or all vectors after broadcasting. Integer division by zero records a
/// fault when `active` (a mask of valid lanes, or null) has the lane.
mlir::FailureOr<mlir::Value> emitElementwise(KernelBuilder &k, mlir::Operation *op,
                                             llvm::ArrayRef<mlir::Value> operands,
                                             mlir::Value active = {});

/// The scalar value of a constant of one element.
mlir::Value emitConstant(KernelBuilder &k, qnt::ConstantOp constant);

} // namespace qcc::lower
#endif
