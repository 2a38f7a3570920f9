// Dynamic quantization of one row, the last sweep of a row kernel.
#ifndef QCC_LOWER_TOKENROW_H
#define QCC_LOWER_TOKENROW_H

#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

/// The buffer that token rows go to, its offsets computed before the loop over rows.
struct TokenBuffer {
  mlir::Value base, rowBytes, scales, sums, blocks;
  qnt::QType type;
};
TokenBuffer tokenBuffer(KernelFrame &frame, qnt::QType type, mlir::Value base);

/// Writes scale = magnitude / 127 and code = clamp(roundeven(x * (1 / scale)), -127, 127) of `row`
/// and, where the type asks for them, the sums of codes over blocks. `element(i, lanes)` gives 16
/// values of the row.
void emitTokenRow(KernelBuilder &k, const TokenBuffer &buffer, mlir::Value row, mlir::Value length,
                  mlir::Value magnitude,
                  llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> element);

} // namespace qcc::lower
#endif
