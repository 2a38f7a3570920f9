// Dynamic quantization of one row, the last sweep of a row kernel.
#ifndef QCC_LOWER_TOKENROW_H
#define QCC_LOWER_TOKENROW_H

#include "qcc/Lower/KernelFrame.h"

namespace qcc::lower {

/// The buffer that token rows go to, its offsets computed before the loop over rows.
struct TokenBuffer {
  mlir::Value base, rowBytes, planeBytes, scales, sums, blocks, groups;
  qnt::QType type;
};
TokenBuffer tokenBuffer(KernelFrame &frame, qnt::QType type, mlir::Value base);

/// Whether rows of this type can be written: its layout is one of tokens, and sums of codes do not
/// reach over groups.
bool isTokenRow(qnt::QType type);

/// Where scales come from: the range of a row, constants, or, for types with groups, the groups
/// themselves, whose elements are read twice.
struct TokenRange {
  mlir::Value low;         ///< smallest value, 0 included; null for symmetric types
  mlir::Value high;        ///< largest value, 0 included; largest magnitude for symmetric types
  mlir::Value scale, zero; ///< of static schemes: f32, and i32 or null
};

/// Writes scales and codes of `row` as qnt.quantize and qnt.quantize_static define them, its zero
/// point where the type has one, and the sums of codes over blocks where the type asks for them.
/// Codes behind the row are 0. `element(i, lanes)` gives 16 values of the row.
void emitTokenRow(KernelBuilder &k, const TokenBuffer &buffer, mlir::Value row, mlir::Value length,
                  TokenRange range,
                  llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> element);

} // namespace qcc::lower
#endif
