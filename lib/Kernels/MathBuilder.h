// The functions of qcc-expand-math as sequences of correctly rounded operations on f32 or f64
// values.
#ifndef QCC_LIB_KERNELS_MATHBUILDER_H
#define QCC_LIB_KERNELS_MATHBUILDER_H

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Operation.h"
#include "qcc/Kernels/ValueBuilder.h"
#include "qcc/Target/Target.h"
#include <cmath>

namespace qcc {

/// Scalars and vectors alike; what the level lacks is expanded further by the pass.
class MathBuilder : public ValueBuilder {
public:
  MathBuilder(mlir::Operation *op, const Target &target)
      : ValueBuilder(mlir::OpBuilder(op), op->getLoc()), level(target) {}

  static mlir::Type scalarOf(Value x) {
    auto v = llvm::dyn_cast<mlir::VectorType>(x.getType());
    return v ? v.getElementType() : x.getType();
  }
  bool isF32(Value x) { return scalarOf(x).isF32(); }
  /// The float constant v in x's type.
  Value c(Value x, double v) { return splat(x, constant(scalarOf(x), v)); }
  Value splat(Value x, Value scalar) {
    auto v = llvm::dyn_cast<mlir::VectorType>(x.getType());
    return v ? broadcast(scalar, v.getNumElements()) : scalar;
  }
  mlir::Type intType(Value x) { return like(x, isF32(x) ? i32() : i64()); }
  Value bits(Value x) { return bitcast(x, intType(x)); }
  Value fromBits(Value i, Value x) { return bitcast(i, x.getType()); }
  /// Integer constant of the width of x, as x's shape.
  Value ic(Value x, int64_t v) {
    return splat(x, isF32(x) ? ci32(static_cast<int32_t>(v)) : ci64(v));
  }
  Value poly(Value x, llvm::ArrayRef<double> coefficients) {
    Value y = c(x, coefficients.back());
    for (double k : llvm::reverse(coefficients.drop_back()))
      y = fma(y, x, c(x, k));
    return y;
  }
  Value copySign(Value magnitude, Value sign) {
    return mlir::math::CopySignOp::create(b, where, magnitude, sign);
  }
  Value c1(Value mask) { return splat(mask, ci1(true)); }
  Value isInf(Value x) { return eq(abs(x), c(x, INFINITY)); }

  Value fmaExact(Value x, Value y, Value z);
  Value truncOddToF32(Value x);
  Value f32ToBf16(Value x);
  Value bf16ToF32(Value x);
  Value f32ToF16(Value x);
  Value f16ToF32(Value x);

  Value roundEvenExpanded(Value x);
  Value floorExpanded(Value x);
  Value ceilExpanded(Value x);
  Value truncExpanded(Value x);
  Value roundHalfAway(Value x);

  std::pair<Value, Value> roundWithBits(Value x, double factor);
  Value scaleByPowerOfTwo(Value p, std::pair<Value, Value> n);
  Value expCore(Value x);
  Value exp(Value x);
  Value expm1(Value x);
  Value log(Value x);
  Value log1p(Value x);
  Value tanh(Value x);
  Value erf(Value x);
  Value sinCos(Value x, int quadrant);
  Value atan(Value x);
  Value atan2(Value y, Value x);
  Value pow(Value x, Value y);
  Value fmod(Value x, Value y);
  Value sinh(Value x);
  Value cosh(Value x);
  Value asinh(Value x);
  Value acosh(Value x);
  Value atanh(Value x);
  Value asin(Value x);
  Value acos(Value x);

private:
  Value fmodSteps(Value r, Value y);
  const Target &level;
};

} // namespace qcc
#endif
