// Small tensors whose elements are known: numbers, or dimension expressions. Shape arithmetic is
// carried out on these, so that it leaves no ops behind.
#ifndef QCC_LIB_IMPORT_SHAPEVALUE_H
#define QCC_LIB_IMPORT_SHAPEVALUE_H

#include "Qnt/Qnt.h"
#include <optional>

namespace qcc::import {

using qnt::DimExpr;

/// An element. Integers and booleans: `dim`. Floats: a number in `real`, else `dim / divisor`.
struct Element {
  DimExpr dim;
  int64_t divisor = 1;
  std::optional<double> real;

  std::optional<int64_t> integer() const { return dim ? dim.constantValue() : std::nullopt; }
  bool isConstant() const { return real || (dim && dim.constantValue() && divisor == 1); }
};

struct ShapeValue {
  /// More elements than this are data. 128 of 8 bytes fit a qnt.constant.
  static constexpr int64_t maxElements = 128;

  mlir::Type type; ///< of an element
  llvm::SmallVector<int64_t> shape;
  llvm::SmallVector<Element> elements;

  bool isFloat() const { return mlir::isa<mlir::FloatType>(type); }
  bool isConstant() const;
  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  /// All elements as integers, where they are.
  std::optional<llvm::SmallVector<int64_t>> integers() const;
  /// All elements as dimension expressions, where they are integers.
  std::optional<llvm::SmallVector<DimExpr>> dims() const;
  /// The value as a tensor attribute; all elements must be constant.
  mlir::DenseElementsAttr attribute() const;

  static ShapeValue ofDims(mlir::MLIRContext *context, llvm::ArrayRef<DimExpr> dims);
  static ShapeValue ofScalar(mlir::MLIRContext *context, DimExpr dim);
  /// From an attribute of at most maxElements elements.
  static std::optional<ShapeValue> ofAttribute(mlir::DenseElementsAttr attribute);
};

/// `number` rounded to float type `type`.
double roundTo(mlir::Type type, double number);

class NodeBuilder;
/// Computes the node's outputs as shape values where its inputs allow; false where they do not.
bool evaluateShapeValue(NodeBuilder &node);

} // namespace qcc::import
#endif
