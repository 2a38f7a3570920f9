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

/// The range of a row: its largest magnitude, or, for types with a zero point, its smallest and
/// largest value, 0 included.
struct TokenRange {
  mlir::Value low, high; ///< low is null for symmetric types
};

/// Writes scale and codes of `row` as qnt.quantize defines them, its zero point where the type has
/// one, and the sums of codes over blocks where the type asks for them. `element(i, lanes)` gives
/// 16 values of the row.
void emitTokenRow(KernelBuilder &k, const TokenBuffer &buffer, mlir::Value row, mlir::Value length,
                  TokenRange range,
                  llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> element);

} // namespace qcc::lower
#endif
