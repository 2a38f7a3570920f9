// The bridge from MLIR to emission: LLVM-dialect modules become modules of LLVM IR.
#ifndef QCC_EMIT_TRANSLATE_H
#define QCC_EMIT_TRANSLATE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "qcc/Emit/Emit.h"

namespace qcc::emit {

/// Registers what translation needs; call it on the registry of the context that compiles.
void registerTranslations(mlir::DialectRegistry &registry);

/// Translates a module in the LLVM dialect into a fresh LLVM context. `name` becomes the module's
/// name; it must not hold a path. Calls for different modules may run in parallel.
llvm::Expected<CodeModule> translateModule(mlir::ModuleOp module, llvm::StringRef name);

} // namespace qcc::emit
#endif
