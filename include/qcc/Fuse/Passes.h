// Passes of the fuse stage.
#ifndef QCC_FUSE_PASSES_H
#define QCC_FUSE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::fuse {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse
#endif
