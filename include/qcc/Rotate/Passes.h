// Passes of the rotate stage.
#ifndef QCC_ROTATE_PASSES_H
#define QCC_ROTATE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::rotate {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Rotate/Passes.h.inc"
} // namespace qcc::rotate
#endif
