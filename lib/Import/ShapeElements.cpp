// Arithmetic on the elements of shape values.
#include "ShapeElements.h"
#include "NodeBuilder.h"
#include <cmath>

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

/// A float constant as numerator and divisor when it is a short binary fraction.
std::optional<std::pair<int64_t, int64_t>> fraction(double value) {
  for (int64_t divisor = 1; divisor <= 1024; divisor *= 2)
    if (double scaled = value * static_cast<double>(divisor);
        scaled == std::floor(scaled) && std::abs(scaled) < 1e15)
      return std::pair(static_cast<int64_t>(scaled), divisor);
  return std::nullopt;
}

/// A float element as dim / divisor.
MaybeElement asFraction(MLIRContext *context, const Element &element) {
  if (!element.real)
    return element;
  auto parts = fraction(*element.real);
  if (!parts)
    return std::nullopt;
  return Element{DimExpr::constant(context, parts->first), parts->second, std::nullopt};
}

/// A float element in lowest terms, a number where it is one.
MaybeElement simplify(Type type, DimExpr dim, int64_t divisor) {
  constexpr int64_t most = int64_t(1) << 40;
  if (divisor == 0 || divisor > most || divisor < -most)
    return std::nullopt;
  if (divisor < 0)
    dim = dim * -1, divisor = -divisor;
  if (auto value = dim.constantValue())
    return ofReal(type, static_cast<double>(*value) / static_cast<double>(divisor));
  if (auto quotient = dim.exactDiv(DimExpr::constant(dim.getContext(), divisor)))
    return Element{*quotient, 1, std::nullopt};
  return Element{dim, divisor, std::nullopt};
}

/// Wraps a constant to the width of an integer type; leaves expressions alone.
DimExpr wrap(Type type, DimExpr dim) {
  auto value = dim.constantValue();
  auto integer = dyn_cast<IntegerType>(type);
  if (!value || !integer || integer.getWidth() >= 64)
    return dim;
  APInt bits(integer.getWidth(), static_cast<uint64_t>(*value), false, true);
  bool zero = integer.isUnsigned() || integer.getWidth() == 1;
  return DimExpr::constant(dim.getContext(),
                           zero ? static_cast<int64_t>(bits.getZExtValue()) : bits.getSExtValue());
}

MaybeElement constantInts(MLIRContext *context, Arith op, int64_t x, int64_t y) {
  auto of = [&](int64_t value) { return ofDim(DimExpr::constant(context, value)); };
  auto ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  switch (op) {
  case Arith::Add:
    return of(static_cast<int64_t>(ux + uy));
  case Arith::Sub:
    return of(static_cast<int64_t>(ux - uy));
  case Arith::Mul:
    return of(static_cast<int64_t>(ux * uy));
  case Arith::Div:
    if (y == 0 || (y == -1 && x == INT64_MIN))
      return std::nullopt;
    return of(x / y);
  case Arith::Mod: {
    if (y == 0 || y == -1)
      return std::nullopt;
    int64_t rest = x % y;
    return of(rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest);
  }
  case Arith::Min:
    return of(std::min(x, y));
  case Arith::Max:
    return of(std::max(x, y));
  case Arith::Pow: {
    uint64_t result = 1;
    if (y < 0 || y > 64)
      return std::nullopt;
    for (int64_t i = 0; i < y; ++i)
      result *= ux;
    return of(static_cast<int64_t>(result));
  }
  }
  return std::nullopt;
}

MaybeElement intArith(MLIRContext *context, Type type, Arith op, const Element &x,
                      const Element &y) {
  auto a = x.integer(), b = y.integer();
  if (a && b) {
    auto result = constantInts(context, op, *a, *b);
    if (result)
      result->dim = wrap(type, result->dim);
    return result;
  }
  switch (op) {
  case Arith::Add:
    return ofDim(x.dim + y.dim);
  case Arith::Sub:
    return ofDim(x.dim - y.dim);
  case Arith::Mul:
    return ofDim(x.dim * y.dim);
  case Arith::Div:
    if (auto exact = b == 0 ? std::nullopt : x.dim.exactDiv(y.dim))
      return ofDim(*exact);
    if (!x.dim.isNonNegative() || !b || *b <= 0)
      return std::nullopt;
    return ofDim(x.dim.floorDiv(y.dim));
  case Arith::Mod:
    if (!x.dim.isNonNegative() || !b || *b <= 0)
      return std::nullopt;
    return ofDim(x.dim.mod(y.dim));
  case Arith::Min:
    return ofDim(x.dim.min(y.dim));
  case Arith::Max:
    return ofDim(x.dim.max(y.dim));
  case Arith::Pow:
    return std::nullopt;
  }
  return std::nullopt;
}

MaybeElement realArith(Type type, Arith op, double x, double y) {
  switch (op) {
  case Arith::Add:
    return ofReal(type, x + y);
  case Arith::Sub:
    return ofReal(type, x - y);
  case Arith::Mul:
    return ofReal(type, x * y);
  case Arith::Div:
    return ofReal(type, x / y);
  case Arith::Min:
    return ofReal(type, std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y));
  case Arith::Max:
    return ofReal(type, std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y));
  case Arith::Pow:
    return ofReal(type, std::pow(x, y));
  case Arith::Mod:
    return ofReal(type, std::fmod(x, y));
  }
  return std::nullopt;
}

MaybeElement floatArith(MLIRContext *context, Type type, Arith op, const Element &x,
                        const Element &y) {
  if (x.real && y.real)
    return realArith(type, op, *x.real, *y.real);
  auto a = asFraction(context, x), b = asFraction(context, y);
  if (!a || !b)
    return std::nullopt;
  switch (op) {
  case Arith::Add:
    return simplify(type, a->dim * b->divisor + b->dim * a->divisor, a->divisor * b->divisor);
  case Arith::Sub:
    return simplify(type, a->dim * b->divisor - b->dim * a->divisor, a->divisor * b->divisor);
  case Arith::Mul:
    return simplify(type, a->dim * b->dim, a->divisor * b->divisor);
  case Arith::Div:
    if (auto divisor = b->integer(); divisor && *divisor != 0)
      return simplify(type, a->dim * b->divisor, a->divisor * *divisor);
    if (a->divisor == 1 && b->divisor == 1)
      if (auto exact = a->dim.exactDiv(b->dim))
        return simplify(type, *exact, 1);
    return std::nullopt;
  case Arith::Min:
  case Arith::Max:
    if (a->divisor != 1 || b->divisor != 1)
      return std::nullopt;
    return simplify(type, op == Arith::Min ? a->dim.min(b->dim) : a->dim.max(b->dim), 1);
  default:
    return std::nullopt;
  }
}

} // namespace

MaybeElement qcc::import::combineElements(MLIRContext *context, Type type, Arith op,
                                          const Element &x, const Element &y) {
  if (isa<FloatType>(type))
    return floatArith(context, type, op, x, y);
  return intArith(context, type, op, x, y);
}

namespace {

/// Sign of x - y for all sizes: -1, 0, 1; nothing when it varies.
std::optional<int> sign(DimExpr x, DimExpr y) {
  DimExpr difference = x - y;
  if (difference.isConstant(0))
    return 0;
  if ((difference - 1).isNonNegative())
    return 1;
  if ((difference * -1 - 1).isNonNegative())
    return -1;
  return std::nullopt;
}

} // namespace

std::optional<bool> qcc::import::compareElements(StringRef op, const Element &x, const Element &y) {
  auto decide = [&](bool less, bool same, bool greater) {
    if (op == "Equal")
      return same;
    if (op == "Less")
      return less;
    if (op == "LessOrEqual")
      return less || same;
    if (op == "Greater")
      return greater;
    return greater || same;
  };
  if (x.real && y.real)
    return decide(*x.real<*y.real, *x.real == *y.real, *x.real> * y.real);
  if (!x.dim || !y.dim || x.divisor != 1 || y.divisor != 1)
    return std::nullopt;
  if (auto known = sign(x.dim, y.dim))
    return decide(*known < 0, *known == 0, *known > 0);
  // x >= y (or <=) may be all that is known.
  DimExpr difference = x.dim - y.dim;
  if (difference.isNonNegative() && (op == "GreaterOrEqual" || op == "Less"))
    return op == "GreaterOrEqual";
  if ((difference * -1).isNonNegative() && (op == "LessOrEqual" || op == "Greater"))
    return op == "LessOrEqual";
  return std::nullopt;
}

MaybeElement qcc::import::castElement(MLIRContext *context, const Element &x, Type from, Type to) {
  bool toFloat = isa<FloatType>(to), fromFloat = isa<FloatType>(from);
  if (toFloat) {
    if (x.real)
      return ofReal(to, *x.real);
    if (auto value = x.integer(); value && x.divisor == 1)
      return ofReal(to, static_cast<double>(*value));
    return x;
  }
  if (to.isInteger(1)) {
    if (x.real)
      return ofDim(DimExpr::constant(context, *x.real != 0));
    auto zero = sign(x.dim, DimExpr::constant(context, 0));
    if (!zero)
      return std::nullopt;
    return ofDim(DimExpr::constant(context, *zero != 0));
  }
  if (!fromFloat)
    return ofDim(wrap(to, x.dim));
  if (x.real) {
    if (!(std::abs(*x.real) < 9e18))
      return std::nullopt;
    return ofDim(wrap(to, DimExpr::constant(context, static_cast<int64_t>(*x.real))));
  }
  if (x.divisor == 1)
    return ofDim(x.dim);
  if (!x.dim.isNonNegative())
    return std::nullopt;
  return ofDim(x.dim.floorDiv(DimExpr::constant(context, x.divisor)));
}

namespace {

std::optional<double> realUnary(StringRef op, double x) {
  using Function = double (*)(double);
  auto function = llvm::StringSwitch<Function>(op)
                      .Case("Neg", [](double v) { return -v; })
                      .Case("Abs", [](double v) { return std::abs(v); })
                      .Case("Floor", [](double v) { return std::floor(v); })
                      .Case("Ceil", [](double v) { return std::ceil(v); })
                      .Case("Round", [](double v) { return std::nearbyint(v); })
                      .Case("Sqrt", [](double v) { return std::sqrt(v); })
                      .Case("Reciprocal", [](double v) { return 1 / v; })
                      .Case("Exp", [](double v) { return std::exp(v); })
                      .Case("Log", [](double v) { return std::log(v); })
                      .Case("Relu", [](double v) { return std::max(v, 0.0); })
                      .Default(nullptr);
  if (!function)
    return std::nullopt;
  return function(x);
}

} // namespace

MaybeElement qcc::import::unaryElement(MLIRContext *context, Type type, StringRef op,
                                       const Element &x) {
  if (isa<FloatType>(type)) {
    if (x.real) {
      auto value = realUnary(op, *x.real);
      return value ? MaybeElement(ofReal(type, *value)) : std::nullopt;
    }
    DimExpr divisor = DimExpr::constant(context, x.divisor);
    if (op == "Floor")
      return Element{x.dim.floorDiv(divisor), 1, std::nullopt};
    if (op == "Ceil")
      return Element{x.dim.ceilDiv(divisor), 1, std::nullopt};
    if (op == "Neg")
      return Element{x.dim * -1, x.divisor, std::nullopt};
    if ((op == "Abs" || op == "Relu") && x.dim.isNonNegative())
      return x;
    return std::nullopt;
  }
  if (op == "Neg")
    return ofDim(wrap(type, x.dim * -1));
  if (op == "Abs" || op == "Relu") {
    if (x.dim.isNonNegative())
      return x;
    if (auto value = x.integer())
      return ofDim(DimExpr::constant(context, op == "Abs" ? -*value : 0));
    return std::nullopt;
  }
  if (op == "Not" && type.isInteger(1))
    return ofDim(DimExpr::constant(context, *x.integer() == 0));
  if (op == "Sign") {
    auto known = sign(x.dim, DimExpr::constant(context, 0));
    return known ? MaybeElement(ofDim(DimExpr::constant(context, *known))) : std::nullopt;
  }
  return std::nullopt;
}
