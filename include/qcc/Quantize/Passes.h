// Passes of the quantize stage.
#ifndef QCC_QUANTIZE_PASSES_H
#define QCC_QUANTIZE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::quantize {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize
#endif
