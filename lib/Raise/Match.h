// What the patterns of this stage are made of: constants, products, norms and slices recognised
// through the spellings of exporters.
#ifndef QCC_LIB_RAISE_MATCH_H
#define QCC_LIB_RAISE_MATCH_H

#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Raise/Passes.h"
#include <optional>

namespace qcc::raise {

//===-- Constants --------------------------------------------------------------------------------//

bool isSplat(mlir::Value value, double number);
/// Equal up to the rounding of a constant of type `element`, and to the digits that people write.
bool isNear(double got, double want, mlir::Type element);
/// Whether a value depends on constants and weights alone.
bool isConstant(mlir::Value value);

//===-- Structure --------------------------------------------------------------------------------//

/// One value, or values computed alike.
bool same(mlir::Value a, mlir::Value b);
/// The only user of a value, if it is an OpTy.
template <typename OpTy> OpTy onlyUser(mlir::Value value) {
  return value.hasOneUse() ? llvm::dyn_cast<OpTy>(*value.user_begin()) : OpTy();
}
/// The other operand of a two-operand op, if one of them satisfies `test`.
template <typename OpTy, typename F> mlir::Value otherOperand(mlir::Value value, F test) {
  auto op = value.getDefiningOp<OpTy>();
  if (!op)
    return {};
  if (test(op.getY()))
    return op.getX();
  return test(op.getX()) ? op.getY() : mlir::Value();
}

/// value = x * factor, for a product with or a quotient by one number.
struct Scaled {
  mlir::Value x;
  double factor = 1;
};
std::optional<Scaled> scaled(mlir::Value value);

/// A product taken apart, powers and quotients by numbers included.
struct Product {
  double factor = 1;
  llvm::SmallVector<mlir::Value> factors;
  /// Whether the factors are exactly these, in any order.
  bool is(llvm::ArrayRef<mlir::Value> wanted) const;
};
/// `stops` are not taken apart further.
Product productOf(mlir::Value value, llvm::ArrayRef<mlir::Value> stops = {});
/// The nearest product that `term` is a factor of whose factors are `factor` times `wanted`.
mlir::Operation *findProduct(mlir::Value term, double factor, llvm::ArrayRef<mlir::Value> wanted);

/// x, for the mean of x over the last axis, kept with size 1.
mlir::Value meanOf(mlir::Value value);
/// x, for x^2.
mlir::Value squareOf(mlir::Value value);
/// op = numerator / sqrt(mean square + epsilon), in any spelling.
struct Normalised {
  mlir::Value numerator, square; ///< `square` is what is squared
  double epsilon = 0;
};
std::optional<Normalised> normalised(mlir::Operation *op);

/// value = x[.., start : start + width : step] along the last axis and everything along the others.
struct LastSlice {
  mlir::Value x;
  int64_t start = 0, width = 0, step = 1;
};
std::optional<LastSlice> lastSlice(mlir::Value value);
/// The two operands of a concat along the last axis.
std::optional<std::pair<mlir::Value, mlir::Value>> joinedPair(mlir::Value value);

//===-- Building ---------------------------------------------------------------------------------//

/// A vector with the elements of a parameter [1, .., C], or null if it is none.
mlir::Value asVector(mlir::OpBuilder &builder, mlir::Value value, qnt::DimExpr channels);
/// Reshapes through reshapes.
mlir::Value reshapeTo(mlir::OpBuilder &builder, mlir::Value value,
                      llvm::ArrayRef<qnt::DimExpr> dims);
/// Exchanges the last two axes through transposes.
mlir::Value swapLast(mlir::OpBuilder &builder, mlir::Value value);
mlir::Type typeLike(mlir::Value value, llvm::ArrayRef<qnt::DimExpr> dims);

/// Gives a norm the gain (and bias) that follow it, and the type of the casts around it.
void absorbParameters(mlir::func::FuncOp function);

/// Erases ops without users and effects.
void eraseDead(mlir::func::FuncOp function);

/// Remarks of category "raise".
void reportRaised(mlir::Operation *op, llvm::StringRef pass);
void reportLeft(mlir::Operation *op, llvm::StringRef pass, llvm::StringRef why);

} // namespace qcc::raise
#endif
