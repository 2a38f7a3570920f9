// Passes of the pack stage.
#ifndef QCC_PACK_PASSES_H
#define QCC_PACK_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::pack {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Pack/Passes.h.inc"
} // namespace qcc::pack
#endif
