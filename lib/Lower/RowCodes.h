// Rows of caches as codes in kernels: written whole, read a vector at a time.
#ifndef QCC_LIB_LOWER_ROWCODES_H
#define QCC_LIB_LOWER_ROWCODES_H

#include "Qnt/RowCodes.h"
#include "qcc/Kernels/KernelBuilder.h"

namespace qcc::lower {

/// Writes the row that qnt.encode_rows makes of the numbers `load(i, lanes)`, 16 from channel i on.
void encodeRow(KernelBuilder &k, const qnt::RowCodes &form, mlir::Value row,
               llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> load);

/// What channels i .. i + 15 of `row` stand for; i is a multiple of 16.
mlir::Value decodeLanes(KernelBuilder &k, const qnt::RowCodes &form, mlir::Value row, mlir::Value i,
                        mlir::Value lanes);

} // namespace qcc::lower
#endif
