// From kernels (scf, arith, vector, math, llvm.load/store, tile) to an LLVM module for one level.
#ifndef QCC_KERNELS_LOWERING_H
#define QCC_KERNELS_LOWERING_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "qcc/Target/Target.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"
#include <memory>

namespace qcc {

/// qcc-expand-math: see lib/Kernels/ExpandMath.cpp.
std::unique_ptr<mlir::Pass> createExpandMathPass(const Target &target);
/// qcc-lower-tile: see lib/Kernels/LowerTile.cpp.
std::unique_ptr<mlir::Pass> createLowerTilePass(const Target &target);
/// Makes both available to qcc-opt, with the option level=NAME.
void registerKernelPasses();

/// The dialects that kernels are written in and their translations; once per context.
void registerKernelDialects(mlir::DialectRegistry &registry);

/// Everything from kernels to the LLVM dialect.
void populateKernelToLlvm(mlir::OpPassManager &pm, const Target &target);

/// A TargetMachine for the level (static relocation off: position-independent code), or null when
/// this build of LLVM lacks the architecture.
std::unique_ptr<llvm::TargetMachine> createTargetMachine(const Target &target);

/// Translates a module that populateKernelToLlvm has lowered, sets the level's attributes on every
/// function ("no-builtins", nounwind, no calls out of the module) and optimises. Null after an
/// error was emitted on the module. Distinct modules of one context may be translated in parallel.
std::unique_ptr<llvm::Module> translateLowered(mlir::ModuleOp module, const Target &target,
                                               llvm::LLVMContext &context);

/// populateKernelToLlvm on a clone of `module`, then translateLowered. One at a time per context.
std::unique_ptr<llvm::Module> translateKernels(mlir::ModuleOp module, const Target &target,
                                               llvm::LLVMContext &context);

/// Optimises an LLVM module as kernels want it: -O2 without loop and SLP vectorizers, loop idioms
/// and unrolling beyond full unrolls. Also right for model bodies.
void optimizeKernelModule(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace qcc
#endif
