// The qnt dialect to ONNX: models as they leave the quantize stage, op by op, codes with their
// scales as DequantizeLinear or MatMulNBits carry them. What has no such form is refused, never
// rounded.
#ifndef QCC_EXPORT_EXPORT_H
#define QCC_EXPORT_EXPORT_H

#include "Qnt/Qnt.h"
#include "mlir/IR/BuiltinOps.h"
#include "qcc/Onnx/Writer.h"
#include "llvm/Support/Error.h"
#include <string>

namespace qcc {

/// Which operators carry codes.
enum class OnnxForm {
  Standard, ///< QuantizeLinear and DequantizeLinear
  Microsoft ///< com.microsoft MatMulNBits where it can say a scheme, the others as Standard
};

struct ExportOptions {
  OnnxForm form = OnnxForm::Standard;
  std::string modelDir, blobDir; ///< where the bytes of weights are, as WeightStore has it
  unsigned threads = 0;
  uint64_t maxModelBytes = onnx::maxModelBytes; ///< of `path`; weights lie beside a larger one
};

/// What was written.
struct ExportedModel {
  int64_t opset = 0;
  uint64_t bytes = 0;
  bool hasDataFile = false; ///< weights lie in PATH.data
};

/// Writes function `main` of `module` to `path`, atomically; the weights go to `path`.data where
/// the model would have more than 2 GiB. Importing the file gives the same schemes and codes.
/// Errors: 1511 names weights and nodes without an ONNX form, 18xx weights that cannot be read,
/// 11xx files.
llvm::Expected<ExportedModel> exportOnnx(mlir::ModuleOp module, llvm::StringRef path,
                                         const ExportOptions &options);

} // namespace qcc
#endif
