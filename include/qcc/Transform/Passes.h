// Passes of the transform stage.
#ifndef QCC_TRANSFORM_PASSES_H
#define QCC_TRANSFORM_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::transform {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Transform/Passes.h.inc"
} // namespace qcc::transform
#endif
