// Passes of the raise stage.
#ifndef QCC_RAISE_PASSES_H
#define QCC_RAISE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::raise {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise
#endif
