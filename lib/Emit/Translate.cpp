// LLVM dialect to LLVM IR.
#include "qcc/Emit/Translate.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Target/LLVMIR/Dialect/ArmNeon/ArmNeonToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "qcc/Support/Diagnostics.h"

using namespace llvm;

namespace qcc::emit {

void registerTranslations(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::registerArmNeonDialectTranslation(registry);
}

Expected<CodeModule> translateModule(mlir::ModuleOp module, StringRef name) {
  CodeModule code;
  code.context = std::make_unique<LLVMContext>();
  std::string problem;
  mlir::ScopedDiagnosticHandler handler(module.getContext(), [&](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && problem.empty())
      problem = diagnostic.str();
    return mlir::success();
  });
  code.module = mlir::translateModuleToLLVMIR(module, *code.context, name);
  if (!code.module)
    return makeError(Diag::CodegenFailed, "module '" + name.str() + "'",
                     problem.empty() ? "does not translate to LLVM IR" : problem);
  code.module->setSourceFileName(name);
  return code;
}

} // namespace qcc::emit
