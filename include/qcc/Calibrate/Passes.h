// Passes of the calibrate stage.
#ifndef QCC_CALIBRATE_PASSES_H
#define QCC_CALIBRATE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::calibrate {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Calibrate/Passes.h.inc"
} // namespace qcc::calibrate
#endif
