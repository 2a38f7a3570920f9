// Passes of the lower stage.
#ifndef QCC_LOWER_PASSES_H
#define QCC_LOWER_PASSES_H

#include "Qnt/Qnt.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace qcc::lower {
#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower
#endif
