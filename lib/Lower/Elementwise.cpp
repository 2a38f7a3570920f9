// Elementwise ops as arithmetic on compute values.
#include "qcc/Lower/Elementwise.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

Value scalarLike(KernelBuilder &k, Value x, double value) {
  Type type = getElementTypeOrSelf(x.getType());
  return k.constant(type, value);
}

bool isFloat(Value x) { return isa<FloatType>(getElementTypeOrSelf(x.getType())); }

/// x + x^3/3 style small-argument care is left to the formulas' own cancellation-free forms.
Value expm1Ratio(KernelBuilder &k, Value x, bool cosine) {
  Value e = k.exp(x), r = k.div(scalarLike(k, x, 1), e);
  Value half = scalarLike(k, x, 0.5);
  if (cosine)
    return k.mul(half, k.add(e, r));
  // sinh x by its series near zero, where e^x - e^-x cancels.
  Value x2 = k.mul(x, x);
  Value series = k.fma(x2, scalarLike(k, x, 1.0 / 5040), scalarLike(k, x, 1.0 / 120));
  series = k.fma(x2, series, scalarLike(k, x, 1.0 / 6));
  series = k.fma(k.mul(x2, x), series, x);
  return k.select(k.lt(k.abs(x), scalarLike(k, x, 0.5)), series, k.mul(half, k.sub(e, r)));
}

template <typename MathOp> Value math1(KernelBuilder &k, Value x) {
  return MathOp::create(k.builder(), k.loc(), x);
}

/// max(x, 0) - |x| q of the normal distribution's tail q = erfc(|x| / sqrt 2) / 2, which is the
/// eighth power of a polynomial (own minimax fit): no branch, division or exponential. Beyond 5.5,
/// where |x| q < 1.1e-7, the tail is zero. At most 8 ulp where x > 0, and 1.3e-7 where x < 0.
Value emitGeluF32(KernelBuilder &k, Value x) {
  static constexpr double tail[] = {0.917004054,     -0.0914583997,  -0.0319220585,
                                    -0.000687975924, 0.00152690577,  1.58118156e-05,
                                    -5.10201471e-05, 4.64385207e-06, 2.2216406e-07,
                                    -5.11793496e-08, 2.0775e-09};
  auto c = [&](double v) { return scalarLike(k, x, v); };
  Value size = k.abs(x), t = k.minFast(c(5.5), size); // NaN stays
  Value q = c(tail[10]);
  for (int i = 9; i >= 0; --i)
    q = k.fma(q, t, c(tail[i]));
  for (int i = 0; i < 3; ++i)
    q = k.mul(q, q);
  q = k.select(k.gt(size, c(5.5)), c(0), q);
  return k.fma(k.neg(t), q, k.maxFast(c(0), x));
}

Value emitGelu(KernelBuilder &k, Value x, GeluKind kind) {
  auto c = [&](double v) { return scalarLike(k, x, v); };
  // x / (1 + exp(-t)): two roundings after the exponential, also where the result is tiny.
  auto timesSigmoid = [&](Value t) { return k.div(x, k.add(k.exp(k.neg(t)), c(1))); };
  switch (kind) {
  case GeluKind::sigmoid:
    return timesSigmoid(k.mul(x, c(1.702)));
  case GeluKind::tanh: { // (1 + tanh u) / 2 = 1 / (1 + exp(-2 u)), u = sqrt(2/pi) (x + 0.044715
                         // x^3)
    Value factor =
        k.fma(k.mul(x, x), c(2 * 0.79788456080286535588 * 0.044715), c(2 * 0.79788456080286535588));
    return timesSigmoid(k.mul(x, factor));
  }
  case GeluKind::erf:
    if (getElementTypeOrSelf(x).isF32())
      return emitGeluF32(k, x);
    Value half = k.mul(x, c(0.5));
    return k.mul(half, k.add(k.erf(k.mul(x, c(0.70710678118654752440))), c(1)));
  }
  llvm_unreachable("a GELU of an unknown kind");
}

/// A number for each lane of x; one as it is where x is one number too.
Value spreadLike(KernelBuilder &k, Value x, Value number) {
  return isa<VectorType>(x.getType()) ? k.broadcast(number) : number;
}

Value emitSign(KernelBuilder &k, Value x) {
  Value zero = scalarLike(k, x, 0), one = scalarLike(k, x, 1), minus = scalarLike(k, x, -1);
  // NaN compares false twice and stays itself.
  Value otherwise = isFloat(x) ? k.select(k.isNan(x), x, zero) : zero;
  return k.select(k.gt(x, zero), spreadLike(k, x, one), k.select(k.lt(x, zero), minus, otherwise));
}

Value emitUnary(KernelBuilder &k, Operation *op, Value x) {
  auto c = [&](double v) { return scalarLike(k, x, v); };
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AbsOp>([&](auto) { return isFloat(x) ? k.abs(x) : k.max(x, k.sub(c(0), x)); })
      .Case<NegOp>([&](auto) { return isFloat(x) ? k.neg(x) : k.sub(c(0), x); })
      .Case<SignOp>([&](auto) { return emitSign(k, x); })
      .Case<CeilOp>([&](auto) { return k.ceil(x); })
      .Case<FloorOp>([&](auto) { return k.floor(x); })
      .Case<RoundOp>([&](auto) { return k.roundEven(x); })
      .Case<SqrtOp>([&](auto) { return k.sqrt(x); })
      .Case<ReciprocalOp>([&](auto) { return k.div(c(1), x); })
      .Case<ExpOp>([&](auto) { return k.exp(x); })
      .Case<LogOp>([&](auto) { return k.log(x); })
      .Case<SinOp>([&](auto) { return k.sin(x); })
      .Case<CosOp>([&](auto) { return k.cos(x); })
      .Case<TanOp>([&](auto) { return math1<math::TanOp>(k, x); })
      .Case<AsinOp>([&](auto) { return math1<math::AsinOp>(k, x); })
      .Case<AcosOp>([&](auto) { return math1<math::AcosOp>(k, x); })
      .Case<AtanOp>([&](auto) { return math1<math::AtanOp>(k, x); })
      .Case<SinhOp>([&](auto) { return expm1Ratio(k, x, false); })
      .Case<CoshOp>([&](auto) { return expm1Ratio(k, x, true); })
      .Case<AsinhOp>([&](auto) {
        Value a = k.abs(x);
        Value r = k.log(k.add(a, k.sqrt(k.fma(a, a, c(1)))));
        return math::CopySignOp::create(k.builder(), k.loc(), r, x).getResult();
      })
      .Case<AcoshOp>([&](auto) { return k.log(k.add(x, k.sqrt(k.sub(k.mul(x, x), c(1))))); })
      .Case<AtanhOp>(
          [&](auto) { return k.mul(c(0.5), k.log(k.div(k.add(c(1), x), k.sub(c(1), x)))); })
      .Case<TanhOp>([&](auto) { return k.tanh(x); })
      .Case<SigmoidOp>([&](auto) { return k.sigmoid(x); })
      .Case<ErfOp>([&](auto) { return k.erf(x); })
      .Case<ReluOp>([&](auto) { return k.max(x, c(0)); })
      .Case<SiluOp>([&](auto) { return k.div(x, k.add(k.exp(k.neg(x)), c(1))); })
      .Case<SoftplusOp>([&](auto) {
        // max(x, 0) + ln(1 + e^-|x|) does not overflow.
        Value tail = k.log(k.add(c(1), k.exp(k.neg(k.abs(x)))));
        return k.add(k.max(x, c(0)), tail);
      })
      .Case<GeluOp>([&](GeluOp gelu) { return emitGelu(k, x, gelu.getKind()); })
      .Case<NotOp>([&](auto) { return k.not_(x); })
      .Case<IsNanOp>([&](auto) { return isFloat(x) ? k.isNan(x) : k.ne(x, x); })
      .Case<IsInfOp>([&](IsInfOp inf) {
        double infinity = std::numeric_limits<double>::infinity();
        Value no = k.ne(x, x);
        Value result = k.and_(no, k.not_(no));
        if (inf.getPositive())
          result = k.or_(result, k.eq(x, c(infinity)));
        if (inf.getNegative())
          result = k.or_(result, k.eq(x, c(-infinity)));
        return result;
      })
      .Default([](auto) { return Value(); });
}

/// Integer quotient with a fault at zero divisors; the divisor that is safe to use.
Value guardDivisor(KernelBuilder &k, Value y, Value active) {
  Value zero = k.eq(y, scalarLike(k, y, 0));
  Value bad = active ? k.and_(zero, active) : zero;
  if (isa<VectorType>(bad.getType()))
    bad = k.reduceOr(bad);
  k.faultIf(bad, 4);
  return k.select(zero, spreadLike(k, y, scalarLike(k, y, 1)), y);
}

Value emitInteger(KernelBuilder &k, Operation *op, Value x, Value y, Elem e, Value active) {
  bool isUnsigned = elemIsUnsigned(e);
  if (isa<DivOp>(op)) {
    Value divisor = guardDivisor(k, y, active);
    return isUnsigned ? k.divU(x, divisor) : k.div(x, divisor);
  }
  if (auto mod = dyn_cast<ModOp>(op)) {
    Value divisor = guardDivisor(k, y, active);
    if (isUnsigned)
      return k.remU(x, divisor);
    Value r = k.rem(x, divisor);
    if (mod.getFmod())
      return r;
    Value zero = scalarLike(k, x, 0);
    Value differ = k.and_(k.ne(r, zero), k.lt(k.xor_(r, divisor), zero));
    return k.select(differ, k.add(r, divisor), r);
  }
  if (isa<PowOp>(op)) {
    // Square and multiply over the 6 bits that can matter; larger exponents only occur with -1,
    // 0, 1.
    Value one = spreadLike(k, x, scalarLike(k, x, 1)), result = one, base = x,
          zero = scalarLike(k, x, 0);
    for (int bit = 0; bit < 6; ++bit) {
      Value set = k.ne(k.and_(k.shrU(y, scalarLike(k, y, bit)), scalarLike(k, y, 1)), zero);
      result = k.select(set, k.mul(result, base), result);
      base = k.mul(base, base);
    }
    Value odd = k.ne(k.and_(y, scalarLike(k, y, 1)), zero);
    Value unit = k.eq(k.abs(k.toF64(x)), k.cf64(1));
    Value sign = k.select(odd, x, one);
    Value outside = k.or_(k.lt(y, zero), k.gt(y, scalarLike(k, y, 63)));
    Value far = k.select(unit, sign, spreadLike(k, x, zero));
    return k.select(outside, far, result);
  }
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AddOp>([&](auto) { return k.add(x, y); })
      .Case<SubOp>([&](auto) { return k.sub(x, y); })
      .Case<MulOp>([&](auto) { return k.mul(x, y); })
      .Case<MinOp>([&](auto) { return isUnsigned ? k.minU(x, y) : k.min(x, y); })
      .Case<MaxOp>([&](auto) { return isUnsigned ? k.maxU(x, y) : k.max(x, y); })
      .Case<AndOp>([&](auto) { return k.and_(x, y); })
      .Case<OrOp>([&](auto) { return k.or_(x, y); })
      .Case<XorOp>([&](auto) { return k.xor_(x, y); })
      .Case<ShlOp>([&](auto) { return k.shl(x, y); })
      .Case<ShrOp>([&](auto) { return isUnsigned ? k.shrU(x, y) : k.shr(x, y); })
      .Default([](auto) { return Value(); });
}

Value emitFloat(KernelBuilder &k, Operation *op, Value x, Value y) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<AddOp>([&](auto) { return k.add(x, y); })
      .Case<SubOp>([&](auto) { return k.sub(x, y); })
      .Case<MulOp>([&](auto) { return k.mul(x, y); })
      .Case<DivOp>([&](auto) { return k.div(x, y); })
      .Case<PowOp>([&](auto) { return k.pow(x, y); })
      .Case<MinOp>([&](auto) { return k.min(x, y); })
      .Case<MaxOp>([&](auto) { return k.max(x, y); })
      .Case<ModOp>([&](ModOp mod) {
        Value r = k.rem(x, y);
        if (mod.getFmod())
          return r;
        Value zero = scalarLike(k, x, 0);
        Value differ = k.and_(k.ne(r, zero), k.lt(k.mul(r, y), zero));
        return k.select(differ, k.add(r, y), r);
      })
      .Default([](auto) { return Value(); });
}

Value emitCompare(KernelBuilder &k, CompareOp op, Value x, Value y, Elem e) {
  bool isUnsigned = elemIsUnsigned(e) && !elemIsFloat(e);
  switch (op.getPredicate()) {
  case Predicate::eq:
    return k.eq(x, y);
  case Predicate::ne:
    return k.ne(x, y);
  case Predicate::lt:
    return isUnsigned ? k.ltU(x, y) : k.lt(x, y);
  case Predicate::le:
    return isUnsigned ? k.not_(k.ltU(y, x)) : k.le(x, y);
  case Predicate::gt:
    return isUnsigned ? k.ltU(y, x) : k.gt(x, y);
  case Predicate::ge:
    return isUnsigned ? k.not_(k.ltU(x, y)) : k.ge(x, y);
  }
  return {};
}

} // namespace

FailureOr<Value> lower::emitElementwise(KernelBuilder &k, Operation *op, ArrayRef<Value> operands,
                                        Value active) {
  auto in = elemOf(elementTypeOf(op->getOperand(0).getType()));
  auto out = elemOf(elementTypeOf(op->getResult(0).getType()));
  if (!in || !out)
    return failure();
  Value result;
  if (isa<CastOp>(op))
    return k.cast(operands[0], *in, *out);
  if (auto compare = dyn_cast<CompareOp>(op))
    return emitCompare(k, compare, operands[0], operands[1], *in);
  if (isa<SelectOp>(op))
    return k.select(operands[0], operands[1], operands[2]);
  if (operands.size() == 1)
    result = emitUnary(k, op, operands[0]);
  else if (isFloat(operands[0]))
    result = emitFloat(k, op, operands[0], operands[1]);
  else
    result = emitInteger(k, op, operands[0], operands[1], *in, active);
  if (!result)
    return failure();
  return k.wrap(*out, result); // narrow integers compute in i32
}

Value lower::emitConstant(KernelBuilder &k, ConstantOp constant) {
  auto value = cast<DenseElementsAttr>(constant.getValue());
  Elem elem = *elemOf(elementTypeOf(constant.getType()));
  if (elemIsFloat(elem)) {
    APFloat number = value.getSplatValue<APFloat>();
    bool lossless;
    number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lossless);
    return k.constant(k.computeType(elem), number.convertToDouble());
  }
  APInt number = value.getSplatValue<APInt>();
  if (elem == Elem::Bool)
    return k.ci1(!number.isZero());
  int64_t bits = elemIsUnsigned(elem) ? int64_t(number.getZExtValue()) : number.getSExtValue();
  return elemBytes(elem) == 8 ? k.ci64(bits) : k.ci32(static_cast<int32_t>(bits));
}
