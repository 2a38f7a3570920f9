// Exact arithmetic, conversions and elementary functions; accuracy is stated in ExpandMath.cpp.
#include "MathBuilder.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace qcc {

//===-- Exact arithmetic and conversions ------------------------------------------------------===//

/// x * y + z rounded once without an fma instruction: error-free products and sums, the last sum
/// rounded to odd (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
/// f64 is exact unless an intermediate leaves the normal range.
Value MathBuilder::fmaExact(Value x, Value y, Value z) {
  auto twoSum = [&](Value p, Value q) {
    Value s = add(p, q), t = sub(s, p);
    return std::pair(s, add(sub(p, sub(s, t)), sub(q, t)));
  };
  // s + e to odd: where the sum is inexact and its last bit even, one step towards the error.
  auto addOdd = [&](Value p, Value q) {
    auto [s, e] = twoSum(p, q);
    Value i = bits(s), odd = ne(and_(i, ic(s, 1)), ic(s, 0));
    Value away = eq(shrU(i, ic(s, 63)), shrU(bits(e), ic(s, 63)));
    Value step = select(away, ic(s, 1), ic(s, -1));
    Value keep = or_(or_(eq(e, c(e, 0)), isNan(e)), odd);
    return fromBits(select(keep, i, add(i, step)), s);
  };
  if (isF32(x)) // the product is exact in f64
    return toF32(addOdd(mul(toF64(x), toF64(y)), toF64(z)));
  Value plain = add(mul(x, y), z);
  auto split = [&](Value v) {
    Value t = mul(v, c(v, 134217729.0)), high = sub(t, sub(t, v));
    return std::pair(high, sub(v, high));
  };
  auto [xh, xl] = split(x);
  auto [yh, yl] = split(y);
  Value ph = mul(x, y);
  Value pl = sub(mul(xl, yl), sub(sub(sub(ph, mul(xh, yh)), mul(xl, yh)), mul(xh, yl)));
  auto [th, tl] = twoSum(z, pl);
  auto [vh, vl] = twoSum(ph, th);
  Value r = add(vh, addOdd(tl, vl));
  return select(eq(sub(r, r), c(r, 0)), r, plain);
}

/// f64 to f32 rounded to odd, so that a second rounding to a narrower type is correct.
Value MathBuilder::truncOddToF32(Value x) {
  Value t = arith::TruncFOp::create(b, where, like(x, f32()), x), d = toF64(t);
  Value i = bits(t);
  Value toward = select(gt(abs(d), abs(x)), sub(i, ic(t, 1)), i);
  Value exact = or_(eq(d, x), isNan(x));
  return fromBits(select(exact, i, or_(toward, ic(t, 1))), t);
}

Value MathBuilder::bf16ToF32(Value x) {
  Value i = arith::ExtUIOp::create(b, where, like(x, i32()), bitcast(x, like(x, b.getI16Type())));
  return bitcast(shl(i, splat(x, ci32(16))), like(x, f32()));
}

Value MathBuilder::f32ToBf16(Value x) {
  Value i = bits(x), even = and_(shrU(i, ic(x, 16)), ic(x, 1));
  Value rounded = add(add(i, ic(x, 0x7fff)), even);
  Value high = shrU(select(isNan(x), or_(i, ic(x, 0x400000)), rounded), ic(x, 16));
  return bitcast(arith::TruncIOp::create(b, where, like(x, b.getI16Type()), high),
                 like(x, b.getBF16Type()));
}

Value MathBuilder::f16ToF32(Value x) {
  Value h = arith::ExtUIOp::create(b, where, like(x, i32()), bitcast(x, like(x, b.getI16Type())));
  auto k = [&](int64_t v) { return splat(x, ci32(static_cast<int32_t>(v))); };
  Value magnitude = and_(h, k(0x7fff));
  // The exponent's bias differs by 112; the product makes denormals right.
  Value f = bitcast(shl(magnitude, k(13)), like(x, f32()));
  Value scaled = bits(mul(f, c(f, 0x1p112)));
  Value special = or_(shl(magnitude, k(13)), k(0x7f800000));
  Value i = select(ge(magnitude, k(0x7c00)), special, scaled);
  return bitcast(or_(i, shl(and_(h, k(0x8000)), k(16))), like(x, f32()));
}

Value MathBuilder::f32ToF16(Value x) {
  Value i = bits(x), sign = and_(shrU(i, ic(x, 16)), ic(x, 0x8000)), a = abs(x), ai = bits(a);
  Value normal = shrU(add(add(sub(ai, ic(x, int64_t(112) << 23)), ic(x, 0xfff)),
                          and_(shrU(ai, ic(x, 13)), ic(x, 1))),
                      ic(x, 13));
  // Adding 0.5 puts the last denormal bit at f32's last bit, so the addition rounds to even.
  Value denormal = sub(bits(add(a, c(x, 0.5))), ic(x, 0x3f000000));
  Value m = select(lt(a, c(x, 0x1p-14)), denormal, normal);
  m = select(ge(a, c(x, 65520)), ic(x, 0x7c00), m);
  m = select(isNan(x), ic(x, 0x7e00), m);
  return bitcast(arith::TruncIOp::create(b, where, like(x, b.getI16Type()), or_(m, sign)),
                 like(x, b.getF16Type()));
}

//===-- Rounding to integers ------------------------------------------------------------------===//

Value MathBuilder::roundEvenExpanded(Value x) {
  // Adding and taking away 2^(p-1) rounds at the unit; larger values are integers already.
  Value big = c(x, isF32(x) ? 0x1p23 : 0x1p52), a = abs(x);
  Value rounded = copySign(sub(add(a, big), big), x);
  return select(lt(a, big), rounded, x);
}
Value MathBuilder::floorExpanded(Value x) {
  Value r = roundEvenExpanded(x);
  return copySign(select(gt(r, x), sub(r, c(x, 1)), r), x);
}
Value MathBuilder::ceilExpanded(Value x) {
  Value r = roundEvenExpanded(x);
  return copySign(select(lt(r, x), add(r, c(x, 1)), r), x);
}
Value MathBuilder::truncExpanded(Value x) { return copySign(floorExpanded(abs(x)), x); }
Value MathBuilder::roundHalfAway(Value x) {
  Value a = abs(x);
  Value t = level.hasRoundInstruction ? ValueBuilder::truncate(a) : floorExpanded(a);
  return copySign(select(ge(sub(a, t), c(x, 0.5)), add(t, c(x, 1)), t), x);
}

//===-- Exponentials and logarithms -----------------------------------------------------------===//

/// The nearest integer of x * factor, at most 2^21 in size, as a float and as an integer.
std::pair<Value, Value> MathBuilder::roundWithBits(Value x, double factor) {
  Value magic = c(x, isF32(x) ? 12582912.0 : 6755399441055744.0); // 1.5 * 2^(p-1)
  Value t = fma(x, c(x, factor), magic);
  return {sub(t, magic), sub(bits(t), bits(magic))};
}

/// p * 2^n for p in [0.5, 2] and |n| up to twice the exponent range, rounded once. n comes as a
/// float and as an integer.
Value MathBuilder::scaleByPowerOfTwo(Value p, std::pair<Value, Value> n) {
  auto vector = mlir::dyn_cast<VectorType>(p.getType());
  if (level.arch == Arch::X86_64 && level.vectorBytes == 64 && isF32(p) && vector &&
      vector.getNumElements() == kLanes) {
    Value every = constant(b.getI16Type(), -1), byMode = ci32(4); // MXCSR rounds to nearest
    return LLVM::CallIntrinsicOp::create(b, where, p.getType(),
                                         b.getStringAttr("llvm.x86.avx512.mask.scalef.ps.512"),
                                         ValueRange{p, n.first, p, every, byMode})
        .getResult(0);
  }
  int64_t shift = isF32(p) ? 23 : 52, bias = isF32(p) ? 127 : 1023;
  Value half = shr(n.second, ic(p, 1)), rest = sub(n.second, half);
  auto power = [&](Value k) { return fromBits(shl(add(k, ic(p, bias)), ic(p, shift)), p); };
  return mul(mul(p, power(half)), power(rest));
}

/// exp for arguments of at most twice the exponent range in size. x = n ln 2 + r.
Value MathBuilder::expCore(Value x) {
  auto rounded = roundWithBits(x, 1.4426950408889634);
  Value n = rounded.first, p;
  if (isF32(x)) {
    Value r = fma(n, c(x, -0x1.62e4p-1), x); // 14 bits of ln 2: n times it is exact
    r = fma(n, c(x, -1.4286068203094172e-06), r);
    p = poly(r, {0.5, 0.166665769, 0.0416665545, 0.00836319143, 0.00139261991});
    p = add(fma(mul(r, r), p, r), c(x, 1));
  } else {
    Value r = fma(n, c(x, -0x1.62e42fee00000p-1), x);
    r = fma(n, c(x, -1.90821492927058770002e-10), r);
    SmallVector<double> taylor;
    double factorial = 1;
    for (int k = 2; k <= 13; ++k)
      taylor.push_back(1.0 / (factorial *= k));
    p = add(fma(mul(r, r), poly(r, taylor), r), c(x, 1));
  }
  return scaleByPowerOfTwo(p, rounded);
}

Value MathBuilder::exp(Value x) {
  // Beyond these the result is infinite or zero anyway; NaN passes both selects.
  Value high = c(x, isF32(x) ? 89 : 710), low = c(x, isF32(x) ? -105 : -746);
  return expCore(maxFast(low, minFast(high, x)));
}

Value MathBuilder::expm1(Value x) {
  SmallVector<double> taylor;
  double factorial = 1;
  for (int k = 1; k <= 15; ++k)
    taylor.push_back(1.0 / (factorial *= k));
  Value small = mul(x, poly(x, taylor));
  return select(lt(abs(x), c(x, 0.35)), small, sub(exp(x), c(x, 1)));
}

/// log of f64: x = m 2^e with m around 1, log m = 2 artanh((m - 1) / (m + 1)).
Value MathBuilder::log(Value x) {
  Value denormal = lt(x, c(x, 0x1p-1022));
  Value i = bits(select(denormal, mul(x, c(x, 0x1p54)), x));
  // Offsetting by sqrt(1/2) splits at it: the exponent of i - offset is e.
  Value offset = ic(x, 0x3fe6a09e667f3bcd);
  Value e = shr(sub(i, offset), ic(x, 52));
  Value m = fromBits(sub(i, shl(e, ic(x, 52))), x);
  Value ef = sub(arith::SIToFPOp::create(b, where, x.getType(), e).getResult(),
                 select(denormal, c(x, 54), c(x, 0)));
  Value f = sub(m, c(x, 1)), s = div(f, add(f, c(x, 2))), s2 = mul(s, s);
  SmallVector<double> series;
  for (int k = 1; k <= 11; ++k)
    series.push_back(2.0 / (2 * k + 1));
  // 2 s + s^3 q = f - s (f - s^2 q), which keeps f exact.
  Value r = sub(f, mul(s, sub(f, mul(s2, poly(s2, series)))));
  Value y = fma(ef, c(x, 0x1.62e42fee00000p-1), fma(ef, c(x, 1.90821492927058770002e-10), r));
  y = select(eq(x, c(x, 0)), c(x, -INFINITY), y);
  y = select(eq(x, c(x, INFINITY)), x, y);
  return select(or_(lt(x, c(x, 0)), isNan(x)), c(x, NAN), y);
}

Value MathBuilder::log1p(Value x) {
  Value u = add(x, c(x, 1)), correction = div(sub(x, sub(u, c(x, 1))), u);
  Value y = add(log(u), correction);
  Value special = or_(eq(u, c(x, 0)), eq(u, c(x, INFINITY)));
  y = select(special, log(u), y);
  return select(eq(u, c(x, 1)), x, y);
}

Value MathBuilder::tanh(Value x) {
  Value a = abs(x), y;
  if (isF32(x)) {
    // 1 - 2 / (exp(2 a) + 1); 10 is beyond where the result rounds to 1.
    Value e = expCore(minFast(c(x, 20), add(a, a)));
    Value large = sub(c(x, 1), div(c(x, 2), add(e, c(x, 1))));
    Value x2 = mul(a, a);
    Value p = poly(x2, {-0.333333289, 0.133327697, -0.0538509096, 0.020997179, -0.00609671417});
    Value small = fma(mul(a, x2), p, a);
    y = select(lt(a, c(x, 0.625)), small, large);
  } else {
    Value u = expm1(minFast(c(x, 44), add(a, a)));
    y = div(u, add(u, c(x, 2)));
  }
  return copySign(select(isNan(x), x, y), x);
}

/// Below 1 a polynomial in x^2; above, 1 - erfc, where f32 takes erfc as the eighth power of a
/// polynomial (no exponential, no division) and f64 as exp(-x^2) times a
/// polynomial in 1 / (x + 2). Own fits at Chebyshev nodes.
Value MathBuilder::erf(Value x) {
  Value a = abs(x), x2 = mul(x, x), small, large;
  if (isF32(x)) {
    small = mul(x, poly(x2, {1.12837917, -0.376126267, 0.112835947, -0.026854212, 0.00518908742,
                             -0.000801686429, 7.87587506e-05}));
    Value t = minFast(c(x, 4), a);
    Value p =
        poly(t, {0.999752409, -0.139805093, -0.0723480118, 0.00131585847, 0.00389583129,
                 0.00158007601, -0.000982730042, 0.000187668887, -1.63873704e-05, 5.62701598e-07});
    for (int i = 0; i < 3; ++i)
      p = mul(p, p);
    large = sub(c(x, 1), p);
  } else {
    small =
        mul(x, poly(x2, {1.1283791670955126, -0.37612638903183754, 0.11283791670955208,
                         -0.026866170645151621, 0.0052239776257111846, -0.00085483270450917618,
                         0.00012055334118781342, -1.4925690961589721e-05, 1.6463122614234624e-06,
                         -1.6383415774394795e-07, 1.5021161469671161e-08, -1.4072188737803777e-09,
                         1.907968777836689e-10, -3.7340358606469125e-11, 4.7083497235235574e-12}));
    Value t = minFast(c(x, 6.5), a);
    Value u = div(c(x, 1), add(t, c(x, 2)));
    Value p =
        poly(u, {-1.0471173754041877e-06, 0.56425861575810676, 1.1263088964752297,
                 2.0120052955151708, 2.3700356564062934, 6.5145403298298143, -23.756562500042449,
                 96.256338257851894, -335.24060963801827, 660.38740937220575, -726.80491680373757,
                 421.43822028318687, -98.336347505808163});
    large = sub(c(x, 1), mul(expCore(neg(mul(t, t))), p));
  }
  Value y = select(lt(a, c(x, 1)), small, copySign(large, x));
  return select(isNan(x), x, y);
}

//===-- Trigonometry (f64) --------------------------------------------------------------------===//

/// sin(x + quadrant * pi / 2). x = n pi/2 + r with pi/2 in three parts (Cody and Waite).
Value MathBuilder::sinCos(Value x, int quadrant) {
  // Beyond 2^40 nothing of the phase is left to be right; zero keeps the result within [-1, 1].
  Value inRange = lt(abs(x), c(x, 0x1p40));
  Value xs = select(inRange, x, c(x, 0));
  auto [n, i] = roundWithBits(xs, 0.63661977236758134308);
  Value r = fma(n, c(x, -1.57079632679489655800), xs);
  r = fma(n, c(x, -6.12323399573676603587e-17), r);
  r = fma(n, c(x, 1.49738490485916983e-33), r);
  Value r2 = mul(r, r);
  SmallVector<double> sine, cosine;
  double factorial = 1;
  for (int k = 2; k <= 17; ++k) {
    factorial *= k;
    (k % 2 ? sine : cosine).push_back((k / 2 % 2 ? -1.0 : 1.0) / factorial);
  }
  Value s = fma(mul(r, r2), poly(r2, sine), r);
  Value k = fma(r2, poly(r2, cosine), c(x, 1));
  Value q = add(i, ic(x, quadrant));
  Value y = select(ne(and_(q, ic(x, 1)), ic(x, 0)), k, s);
  y = fromBits(xor_(bits(y), shl(and_(q, ic(x, 2)), ic(x, 62))), x);
  return select(or_(isInf(x), isNan(x)), c(x, NAN), y);
}

/// Reduced to |u| <= tan(pi/8) by atan t = pi/2 - atan(1/t) = pi/4 + atan((t-1)/(t+1)).
Value MathBuilder::atan(Value x) {
  Value a = abs(x), inverted = gt(a, c(x, 1));
  Value t = select(inverted, div(c(x, 1), a), a);
  Value middle = gt(t, c(x, 0.41421356237309503));
  Value u = select(middle, div(sub(t, c(x, 1)), add(t, c(x, 1))), t), u2 = mul(u, u);
  SmallVector<double> series;
  for (int k = 1; k <= 20; ++k)
    series.push_back((k % 2 ? -1.0 : 1.0) / (2 * k + 1));
  Value y = fma(mul(u, u2), poly(u2, series), u);
  y = select(middle, add(y, c(x, 0.78539816339744831)), y);
  y = select(inverted, sub(c(x, 1.5707963267948966), y), y);
  return copySign(y, x);
}

Value MathBuilder::atan2(Value y, Value x) {
  Value ax = abs(x), ay = abs(y);
  Value bothInf = and_(isInf(x), isInf(y)), bothZero = and_(eq(x, c(x, 0)), eq(y, c(y, 0)));
  Value q = div(ay, ax);
  q = select(bothInf, c(x, 1), select(bothZero, c(x, 0), q));
  Value t = atan(q);
  Value negative = lt(bits(x), ic(x, 0)); // -0 counts
  t = select(negative, sub(c(x, 3.1415926535897931), t), t);
  return copySign(select(or_(isNan(x), isNan(y)), c(x, NAN), t), y);
}

Value MathBuilder::asin(Value x) {
  Value c2 = mul(sub(c(x, 1), x), add(c(x, 1), x));
  return atan2(x, sqrt(c2));
}
Value MathBuilder::acos(Value x) {
  Value c2 = mul(sub(c(x, 1), x), add(c(x, 1), x));
  return atan2(sqrt(c2), x);
}

//===-- Hyperbolic functions (f64) ------------------------------------------------------------===//

Value MathBuilder::sinh(Value x) {
  Value a = abs(x), u = expm1(minFast(c(x, 700), a));
  Value y = mul(c(x, 0.5), add(u, div(u, add(u, c(x, 1)))));
  Value h = exp(mul(a, c(x, 0.5))); // exp(a) / 2 without overflow on the way
  y = select(gt(a, c(x, 700)), mul(mul(h, c(x, 0.5)), h), y);
  return copySign(select(isNan(x), x, y), x);
}
Value MathBuilder::cosh(Value x) {
  Value a = abs(x), h = exp(mul(a, c(x, 0.5))), e = mul(h, h);
  Value small = mul(c(x, 0.5), add(e, div(c(x, 1), e)));
  return select(gt(a, c(x, 40)), mul(mul(h, c(x, 0.5)), h), small);
}
Value MathBuilder::asinh(Value x) {
  Value a = abs(x), x2 = mul(a, a);
  Value y = log1p(add(a, div(x2, add(c(x, 1), sqrt(add(x2, c(x, 1)))))));
  Value large = add(log(a), c(x, 0.69314718055994531));
  return copySign(select(gt(a, c(x, 0x1p60)), large, y), x);
}
Value MathBuilder::acosh(Value x) {
  Value t = sub(x, c(x, 1));
  Value y = log1p(add(t, sqrt(mul(t, add(t, c(x, 2))))));
  y = select(gt(x, c(x, 0x1p60)), add(log(x), c(x, 0.69314718055994531)), y);
  return select(lt(x, c(x, 1)), c(x, NAN), y);
}
Value MathBuilder::atanh(Value x) {
  Value a = abs(x);
  Value y = mul(c(x, 0.5), log1p(div(add(a, a), sub(c(x, 1), a))));
  y = select(gt(a, c(x, 1)), c(x, NAN), y);
  return copySign(y, x);
}

//===-- pow and fmod (f64) --------------------------------------------------------------------===//

Value MathBuilder::pow(Value x, Value y) {
  Value a = abs(x), r = exp(mul(y, log(a)));
  // y is an odd integer if y is one and y / 2 is not.
  auto isInteger = [&](Value v) {
    Value t = level.hasRoundInstruction ? ValueBuilder::truncate(v) : truncExpanded(v);
    return eq(t, v);
  };
  Value whole = isInteger(y), half = mul(y, c(y, 0.5));
  Value odd = and_(and_(whole, xor_(isInteger(half), c1(whole))), lt(abs(y), c(y, 0x1p53)));
  Value negative = lt(bits(x), ic(x, 0));
  r = select(eq(a, c(x, 1)), c(x, 1), r); // log 0 times infinity is no NaN here
  r = select(and_(negative, odd), neg(r), r);
  Value undefined = and_(and_(lt(x, c(x, 0)), xor_(whole, c1(whole))),
                         and_(ne(a, c(x, INFINITY)), ne(abs(y), c(y, INFINITY))));
  r = select(undefined, c(x, NAN), r);
  r = select(or_(isNan(x), isNan(y)), c(x, NAN), r);
  return select(or_(eq(y, c(y, 0)), eq(x, c(x, 1))), c(x, 1), r);
}

/// Exact: each step takes away the 53 leading bits of the quotient, which leaves a representable
/// remainder, until |r| < y.
Value MathBuilder::fmodSteps(Value r, Value y) {
  auto open = [&](Value v) { return ge(abs(v), y); };
  auto any = [&](Value m) -> Value {
    auto v = dyn_cast<VectorType>(m.getType());
    return v ? reduceOr(m) : m;
  };
  auto loop = scf::WhileOp::create(
      b, where, TypeRange{r.getType()}, ValueRange{r},
      [&](OpBuilder &inner, Location, ValueRange v) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(inner.getInsertionBlock());
        scf::ConditionOp::create(b, where, any(open(v[0])), v);
      },
      [&](OpBuilder &inner, Location, ValueRange v) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(inner.getInsertionBlock());
        Value ratio = div(v[0], y);
        Value q = level.hasRoundInstruction ? ValueBuilder::truncate(ratio) : truncExpanded(ratio);
        Value next = fma(neg(q), y, v[0]);
        scf::YieldOp::create(b, where, select(open(v[0]), next, v[0]));
      });
  return loop.getResult(0);
}

Value MathBuilder::fmod(Value x, Value y) {
  Value ay = abs(y);
  Value bad = or_(or_(isNan(x), isNan(y)), or_(isInf(x), eq(y, c(y, 0))));
  Value xs = select(bad, c(x, 0), x);
  Value ys = select(bad, c(y, 1), ay);
  // Quotients beyond the exponent range go by multiples y 2^2000 and y 2^1000 first.
  auto enlarge = [&](Value v) {
    Value wide = ge(mul(abs(xs), c(xs, 0x1p-1000)), v);
    return select(wide, mul(v, c(v, 0x1p1000)), v);
  };
  Value y1 = enlarge(ys), y2 = enlarge(y1);
  Value r = fmodSteps(fmodSteps(fmodSteps(xs, y2), y1), ys);
  // A quotient rounded up leaves a remainder of the other sign.
  Value crossed = and_(ne(r, c(r, 0)), ne(lt(r, c(r, 0)), lt(xs, c(x, 0))));
  r = select(crossed, add(r, copySign(ys, xs)), r);
  return select(bad, c(x, NAN), copySign(r, xs));
}

} // namespace qcc
