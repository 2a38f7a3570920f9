// Arithmetic on the elements of shape values. A result that cannot be told for all sizes is
// nothing.
#ifndef QCC_LIB_IMPORT_SHAPEELEMENTS_H
#define QCC_LIB_IMPORT_SHAPEELEMENTS_H

#include "ShapeValue.h"

namespace qcc::import {

using MaybeElement = std::optional<Element>;
enum class Arith { Add, Sub, Mul, Div, Mod, Min, Max, Pow };

inline Element ofDim(DimExpr dim) { return {dim, 1, std::nullopt}; }
inline Element ofReal(mlir::Type type, double value) {
  return {DimExpr(), 1, roundTo(type, value)};
}

MaybeElement combineElements(mlir::MLIRContext *context, mlir::Type type, Arith op,
                             const Element &x, const Element &y);
/// By the name of an ONNX operator.
std::optional<bool> compareElements(llvm::StringRef op, const Element &x, const Element &y);
MaybeElement castElement(mlir::MLIRContext *context, const Element &x, mlir::Type from,
                         mlir::Type to);
MaybeElement unaryElement(mlir::MLIRContext *context, mlir::Type type, llvm::StringRef op,
                          const Element &x);

} // namespace qcc::import
#endif
