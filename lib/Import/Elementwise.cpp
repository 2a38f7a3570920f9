// Arithmetic, comparison, logic and conversion.
#include "OpTable.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::import;

namespace {

template <typename Op> void unary(NodeBuilder &n) { n.out(0, n.unary<Op>(n.in(0))); }
template <typename Op> void binary(NodeBuilder &n) { n.out(0, n.binary<Op>(n.in(0), n.in(1))); }
template <typename Op> void variadic(NodeBuilder &n) {
  Value total = n.in(0);
  for (size_t i = 1; i < n.numInputs(); ++i)
    total = n.binary<Op>(total, n.in(i));
  n.out(0, total);
}
template <qnt::Predicate predicate> void compare(NodeBuilder &n) {
  n.out(0, n.compare(predicate, n.in(0), n.in(1)));
}

void mean(NodeBuilder &n) {
  Value total = n.in(0);
  for (size_t i = 1; i < n.numInputs(); ++i)
    total = n.add(total, n.in(i));
  n.out(0, n.div(total, static_cast<double>(n.numInputs())));
}

/// The result has the base's type; the exponent may have another.
void pow(NodeBuilder &n) {
  Value x = n.in(0), y = n.in(1);
  if (!x || !y)
    return;
  if (n.isInteger(x) && n.isFloat(y)) {
    n.out(0, n.cast(n.binary<qnt::PowOp>(n.cast(x, n.element(y)), y), n.element(x)));
    return;
  }
  n.out(0, n.binary<qnt::PowOp>(x, n.cast(y, n.element(x))));
}

void mod(NodeBuilder &n) {
  Value both[] = {n.in(0), n.in(1)};
  if (!both[0] || !both[1] || !n.sameElement(both[0], both[1]))
    return;
  bool fmod = n.intAttr("fmod", 0) != 0;
  if (auto dims = n.unify(both))
    n.out(0, n.make<qnt::ModOp>(n.type(*dims, n.element(both[0])), both[0], both[1], fmod));
}

void bitShift(NodeBuilder &n) {
  std::string direction = n.stringAttr("direction", "");
  if (direction == "LEFT")
    return binary<qnt::ShlOp>(n);
  if (direction == "RIGHT")
    return binary<qnt::ShrOp>(n);
  n.fail(Diag::BadNode, "direction '" + direction + "' is neither LEFT nor RIGHT");
}

void clip(NodeBuilder &n) {
  Value x = n.in(0);
  if (n.opset < 11) {
    if (n.hasAttr("min"))
      x = n.maximum(x, n.floatAttr("min", 0));
    if (n.hasAttr("max"))
      x = n.minimum(x, n.floatAttr("max", 0));
    return n.out(0, x);
  }
  if (n.has(1))
    x = n.maximum(x, n.reshape(n.in(1), {}));
  if (n.has(2))
    x = n.minimum(x, n.reshape(n.in(2), {}));
  n.out(0, x);
}

/// x as the power of two that round_mode asks for: what rounding to the nearest gave, and on from
/// there.
Value toPowerOfTwo(NodeBuilder &n, Value x, Type powers) {
  std::string mode = n.stringAttr("round_mode", "up");
  if (mode == "nearest" || !x || !n.isFloat(x))
    return x;
  if (mode != "up" && mode != "down") {
    n.fail(Diag::BadNode, "round_mode '" + mode + "' is not up, down or nearest");
    return {};
  }
  bool up = mode == "up";
  Value near = n.cast(n.cast(x, powers), n.element(x));
  Value beyond = n.compare(up ? qnt::Predicate::lt : qnt::Predicate::gt, near, x);
  return n.select(beyond, n.mul(near, up ? 2 : 0.5), near);
}

void cast(NodeBuilder &n) {
  if (!n.hasAttr("to"))
    return n.fail(Diag::BadNode, "lacks the attribute 'to'");
  auto to = static_cast<int32_t>(n.intAttr("to", 0));
  Type element = n.importer.elementType(to);
  if (!element)
    return n.unsupported("casts to " + onnx::dataTypeName(to), "keep the value numeric");
  Value x = n.in(0);
  if (Value reals = n.importer.realSums.lookup(x); reals && element.isF32())
    return n.out(0, reals);
  if (isa<Float8E8M0FNUType>(element))
    x = toPowerOfTwo(n, x, element);
  n.out(0, n.castSaturating(x, element, n.intAttr("saturate", 1) != 0));
}

void castLike(NodeBuilder &n) {
  if (!n.inputElement(1))
    return n.unsupported("casts to a type that qcc does not take", "keep the value numeric");
  n.out(0, n.castSaturating(n.in(0), n.inputElement(1), n.intAttr("saturate", 1) != 0));
}

void isInf(NodeBuilder &n) {
  Value x = n.in(0);
  bool positive = n.intAttr("detect_positive", 1) != 0;
  bool negative = n.intAttr("detect_negative", 1) != 0;
  if (x)
    n.out(0, n.make<qnt::IsInfOp>(n.type(n.dims(x), n.i1()), x, positive, negative));
}

void isNan(NodeBuilder &n) {
  Value x = n.in(0);
  if (x)
    n.out(0, n.make<qnt::IsNanOp>(n.type(n.dims(x), n.i1()), x));
}

void where(NodeBuilder &n) { n.out(0, n.select(n.in(0), n.in(1), n.in(2))); }

constexpr OpEntry table[] = {
    {"", "Abs", 7, unary<qnt::AbsOp>},
    {"", "Neg", 7, unary<qnt::NegOp>},
    {"", "Sign", 9, unary<qnt::SignOp>},
    {"", "Ceil", 7, unary<qnt::CeilOp>},
    {"", "Floor", 7, unary<qnt::FloorOp>},
    {"", "Round", 11, unary<qnt::RoundOp>},
    {"", "Sqrt", 7, unary<qnt::SqrtOp>},
    {"", "Reciprocal", 7, unary<qnt::ReciprocalOp>},
    {"", "Exp", 7, unary<qnt::ExpOp>},
    {"", "Log", 7, unary<qnt::LogOp>},
    {"", "Sin", 7, unary<qnt::SinOp>},
    {"", "Cos", 7, unary<qnt::CosOp>},
    {"", "Tan", 7, unary<qnt::TanOp>},
    {"", "Asin", 7, unary<qnt::AsinOp>},
    {"", "Acos", 7, unary<qnt::AcosOp>},
    {"", "Atan", 7, unary<qnt::AtanOp>},
    {"", "Sinh", 9, unary<qnt::SinhOp>},
    {"", "Cosh", 9, unary<qnt::CoshOp>},
    {"", "Asinh", 9, unary<qnt::AsinhOp>},
    {"", "Acosh", 9, unary<qnt::AcoshOp>},
    {"", "Atanh", 9, unary<qnt::AtanhOp>},
    {"", "Erf", 9, unary<qnt::ErfOp>},
    {"", "Not", 7, unary<qnt::NotOp>},
    {"", "BitwiseNot", 18, unary<qnt::NotOp>},
    {"", "Add", 7, binary<qnt::AddOp>},
    {"", "Sub", 7, binary<qnt::SubOp>},
    {"", "Mul", 7, binary<qnt::MulOp>},
    {"", "Div", 7, binary<qnt::DivOp>},
    {"", "Pow", 7, pow},
    {"", "Mod", 10, mod},
    {"", "And", 7, binary<qnt::AndOp>},
    {"", "Or", 7, binary<qnt::OrOp>},
    {"", "Xor", 7, binary<qnt::XorOp>},
    {"", "BitwiseAnd", 18, binary<qnt::AndOp>},
    {"", "BitwiseOr", 18, binary<qnt::OrOp>},
    {"", "BitwiseXor", 18, binary<qnt::XorOp>},
    {"", "BitShift", 11, bitShift},
    {"", "Min", 7, variadic<qnt::MinOp>},
    {"", "Max", 7, variadic<qnt::MaxOp>},
    {"", "Sum", 7, variadic<qnt::AddOp>},
    {"", "Mean", 7, mean},
    {"", "Clip", 7, clip},
    {"", "Equal", 7, compare<qnt::Predicate::eq>},
    {"", "Less", 7, compare<qnt::Predicate::lt>},
    {"", "LessOrEqual", 12, compare<qnt::Predicate::le>},
    {"", "Greater", 7, compare<qnt::Predicate::gt>},
    {"", "GreaterOrEqual", 12, compare<qnt::Predicate::ge>},
    {"", "Where", 9, where},
    {"", "Cast", 7, cast},
    {"", "CastLike", 15, castLike},
    {"", "IsInf", 10, isInf},
    {"", "IsNaN", 9, isNan},
};

} // namespace

ArrayRef<OpEntry> qcc::import::elementwiseOps() { return table; }
