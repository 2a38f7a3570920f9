// What a compiled model is made of: attention, norms, activations, caches, layers and their codes.
#ifndef QCC_INSPECT_STRUCTURES_H
#define QCC_INSPECT_STRUCTURES_H

#include "Qnt/Qnt.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace qcc {

/// Structures of one kind and one form: "attention", "GQA 9/3, head 64, causal".
struct Structure {
  std::string kind, form;
  llvm::json::Object properties;  ///< the form as data
  std::vector<std::string> nodes; ///< names of ONNX nodes, in the function's order
};

/// Everything in a function that the quantize stage left, grouped.
std::vector<Structure> findStructures(mlir::func::FuncOp function);

/// What an attention mask asks for, read from the ops that compute it.
struct MaskMeaning {
  bool causal = false, padding = false;
  int64_t window = 0;              ///< keys that a query sees, itself included; 0: all
  std::vector<std::string> others; ///< what else there is, in words
};
MaskMeaning readMask(mlir::Value mask);

/// What the recipe of a weight yields; other values as they are.
mlir::Value throughRecipe(mlir::Value value);

} // namespace qcc
#endif
