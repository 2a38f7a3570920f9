// Passes of the assign-bits stage.
#ifndef QCC_ASSIGNBITS_PASSES_H
#define QCC_ASSIGNBITS_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::assignbits {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/AssignBits/Passes.h.inc"
} // namespace qcc::assignbits
#endif
