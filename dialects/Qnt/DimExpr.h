// Dimension expressions: polynomials over symbols with opaque atoms (floordiv, ceildiv, mod, min,
// max), kept canonical so that equality is pointer equality.
#ifndef QCC_QNT_DIMEXPR_H
#define QCC_QNT_DIMEXPR_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/raw_ostream.h"
#include <optional>
#include <string>

namespace qcc::qnt {

class DimAttr;

enum class DimKind : unsigned { Const, Symbol, Sum, Product, FloorDiv, CeilDiv, Mod, Min, Max };

/// A dimension. All symbols are non-negative integers; folding relies on it.
class DimExpr {
public:
  DimExpr() = default;
  /*implicit*/ DimExpr(mlir::Attribute attr) : attr(attr) {}

  static DimExpr constant(mlir::MLIRContext *context, int64_t value);
  static DimExpr symbol(mlir::MLIRContext *context, llvm::StringRef name);
  /// Parses "s + p", "floordiv(s, 2) * 64", "min(s, 512)". Unknown words become symbols.
  static std::optional<DimExpr> parse(mlir::MLIRContext *context, llvm::StringRef text);

  explicit operator bool() const { return static_cast<bool>(attr); }
  bool operator==(DimExpr other) const { return attr == other.attr; }
  bool operator!=(DimExpr other) const { return attr != other.attr; }
  mlir::Attribute getAttr() const { return attr; }
  mlir::MLIRContext *getContext() const { return attr.getContext(); }

  DimKind kind() const;
  std::optional<int64_t> constantValue() const;
  bool isConstant(int64_t value) const;
  bool isSymbol() const { return kind() == DimKind::Symbol; }
  llvm::StringRef symbolName() const;
  /// Operands of any kind but Const and Symbol. Sum: constant term value() plus operands;
  /// Product: coefficient value() times operands.
  int64_t value() const;
  llvm::ArrayRef<mlir::Attribute> operands() const;

  DimExpr operator+(DimExpr other) const;
  DimExpr operator-(DimExpr other) const;
  DimExpr operator*(DimExpr other) const;
  DimExpr operator+(int64_t other) const { return *this + constant(getContext(), other); }
  DimExpr operator-(int64_t other) const { return *this - constant(getContext(), other); }
  DimExpr operator*(int64_t other) const { return *this * constant(getContext(), other); }
  DimExpr floorDiv(DimExpr other) const;
  DimExpr ceilDiv(DimExpr other) const;
  DimExpr mod(DimExpr other) const;
  DimExpr min(DimExpr other) const;
  DimExpr max(DimExpr other) const;

  /// The quotient when `other` divides this exactly for all symbol values, else nothing.
  std::optional<DimExpr> exactDiv(DimExpr other) const;
  /// True when provably >= 0 for all non-negative symbol values.
  bool isNonNegative() const;
  /// What it is at most for all symbol values, where that can be told.
  std::optional<int64_t> upperBound() const;
  /// Replaces symbols; absent names stay.
  DimExpr substitute(const llvm::StringMap<DimExpr> &values) const;
  /// Value under `values`; nothing when a symbol is missing or a divisor is zero.
  std::optional<int64_t> evaluate(const llvm::StringMap<int64_t> &values) const;
  void collectSymbols(llvm::function_ref<void(llvm::StringRef)> visit) const;

  void print(llvm::raw_ostream &os) const;
  std::string str() const;

private:
  mlir::Attribute attr;
};

} // namespace qcc::qnt
#endif
