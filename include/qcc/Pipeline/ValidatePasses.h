// Translation validation: after every pass the scalar interpreter runs the model on a sample and
// the outputs are compared with those before the pass.
#ifndef QCC_PIPELINE_VALIDATEPASSES_H
#define QCC_PIPELINE_VALIDATEPASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassInstrumentation.h"
#include "qcc/Reference/Interpreter.h"

namespace qcc {

/// What a pass may do to outputs (PassBudgets.def).
struct PassBudget {
  enum Kind { Exact, Rounding, Lossy } kind = Exact;
  double limit = 0;
};
PassBudget passBudget(llvm::StringRef argument);

/// Small inputs for a function: symbols get distinct sizes within their ranges, integers count up,
/// masks are one, floats lie in -1 .. 1.
llvm::Expected<llvm::SmallVector<reference::RtValue>> smallInputs(mlir::func::FuncOp function);

/// Finds the first pass that changes the model's outputs by more than its budget. The state goes on
/// over pass managers, so that each stage may have its own.
class PassValidator {
public:
  /// `modelDir` and `blobDir` are where weights lie.
  PassValidator(std::string modelDir, std::string blobDir)
      : weights(std::move(modelDir), std::move(blobDir)) {}

  /// Outputs that later passes are compared with, by the inputs given, or small ones.
  llvm::Error start(mlir::ModuleOp module, llvm::SmallVector<reference::RtValue> inputs = {});
  /// For PassManager::addInstrumentation. Nested pass managers must not be multithreaded.
  std::unique_ptr<mlir::PassInstrumentation> instrumentation();
  /// The first offender as QCC1903, or success. Call when a pass manager has run.
  llvm::Error result();
  /// Passes that were compared so far.
  unsigned passes() const { return compared; }

  void checkAfter(llvm::StringRef pass, mlir::ModuleOp module);

private:
  using Values = llvm::SmallVector<reference::RtValue>;
  llvm::Expected<Values> run(mlir::ModuleOp module);
  std::string difference(const Values &now, PassBudget budget) const;

  reference::FolderWeights weights;
  Values inputs, expected;
  llvm::SmallVector<mlir::Type> types; ///< of the inputs
  std::string offender, what;
  unsigned compared = 0;
  bool over = false; ///< the module has left what the interpreter knows
};

} // namespace qcc
#endif
