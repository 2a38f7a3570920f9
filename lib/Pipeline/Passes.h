// Passes of the pipeline itself.
#ifndef QCC_LIB_PIPELINE_PASSES_H
#define QCC_LIB_PIPELINE_PASSES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::pipeline {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Pipeline/Passes.h.inc"
} // namespace qcc::pipeline
#endif
