// Numbers of eight bits as f32 and back, and pairs of bf16 as f32.
#include "qcc/Kernels/SmallFloats.h"
#include <cmath>

using namespace mlir;

namespace qcc {

Elem scaleElem(ScaleForm form) {
  switch (form) {
  case ScaleForm::F32:
    return Elem::F32;
  case ScaleForm::F16:
    return Elem::F16;
  case ScaleForm::BF16:
    return Elem::BF16;
  default:
    return Elem::U8;
  }
}

static Value nanLike(ValueBuilder &k, Value code) {
  Value bits = k.ci32(0x7fc00000);
  if (auto vector = dyn_cast<VectorType>(code.getType()))
    bits = k.broadcast(bits, vector.getNumElements());
  return k.bitcast(bits, k.like(code, k.f32()));
}

/// f32 from f16 bits in i32.
static Value fromHalf(ValueBuilder &k, Value bits) {
  OpBuilder &b = k.builder();
  Value words = arith::TruncIOp::create(b, k.loc(), k.like(bits, b.getI16Type()), bits);
  Value halves = k.bitcast(words, k.like(bits, b.getF16Type()));
  return arith::ExtFOp::create(b, k.loc(), k.like(bits, k.f32()), halves);
}

Value e4m3ToF32(ValueBuilder &k, Value code) {
  // The magnitude moved to f16 is 2^-8 of the value, subnormal numbers included.
  Value magnitude = k.and_(code, k.ci32(0x7f));
  Value sign = k.shl(k.and_(code, k.ci32(0x80)), k.ci32(8));
  Value value = k.mul(fromHalf(k, k.or_(sign, k.shl(magnitude, k.ci32(7)))), k.cf32(256));
  return k.select(k.eq(magnitude, k.ci32(0x7f)), nanLike(k, code), value);
}

Value e5m2ToF32(ValueBuilder &k, Value code) { return fromHalf(k, k.shl(code, k.ci32(8))); }

Value scaleToF32(ValueBuilder &k, ScaleForm form, Value stored) {
  switch (form) {
  case ScaleForm::E8M0: { // code 0 is 2^-127, a subnormal number
    Value bits =
        k.select(k.eq(stored, k.ci32(0)), k.or_(k.and_(stored, k.ci32(0)), k.ci32(1 << 22)),
                 k.shl(stored, k.ci32(23)));
    Value value = k.bitcast(bits, k.like(stored, k.f32()));
    return k.select(k.eq(stored, k.ci32(255)), nanLike(k, stored), value);
  }
  case ScaleForm::E4M3:
    return e4m3ToF32(k, stored);
  case ScaleForm::U8:
    return k.toF32(stored);
  default:
    return stored;
  }
}

Value firstBf16(ValueBuilder &k, Value pair) {
  return k.bitcast(k.shl(pair, k.ci32(16)), k.like(pair, k.f32()));
}
Value secondBf16(ValueBuilder &k, Value pair) {
  return k.bitcast(k.and_(pair, k.ci32(INT32_C(-0x10000))), k.like(pair, k.f32()));
}

namespace {

struct SmallFloat {
  int32_t mantissa, bias; ///< bits, and the exponent's offset
  int32_t largest;        ///< the code of the largest number
  int32_t above;          ///< the code of what is larger: infinity or NaN
  int32_t nan;
  bool oneZero;     ///< -0 is no number, its code is NaN
  int32_t sign = 7; ///< the sign's bit
};

SmallFloat formatOf(Elem e) {
  switch (e) {
  case Elem::F8E4M3FN:
    return {3, 7, 0x7e, 0x7f, 0x7f, false};
  case Elem::F8E4M3FNUZ:
    return {3, 8, 0x7f, 0x80, 0x80, true};
  case Elem::F8E5M2:
    return {2, 15, 0x7b, 0x7c, 0x7e, false};
  case Elem::F4E2M1: // has no NaN, which ONNX makes -0
    return {1, 1, 0x7, 0x7, 0x8, false, 3};
  default:
    return {2, 16, 0x7f, 0x80, 0x80, true};
  }
}

float powerOfTwo(int32_t exponent) { return std::ldexp(1.0f, exponent); }

/// The power of two nearest to |x|, the larger at ties; the sign is lost.
Value f32ToE8M0(ValueBuilder &k, Value x) {
  Value bits = k.and_(k.bitcast(x, k.like(x, k.i32())), k.ci32(0x7fffffff));
  // Half a step is the top bit of the mantissa. Subnormal numbers: 2^-127 is 0x00400000.
  Value code = k.shrU(k.add(bits, k.ci32(0x400000)), k.ci32(23));
  Value tiny = k.select(k.lt(bits, k.ci32(0x600000)), k.ci32(0), k.and_(code, k.ci32(0xff)));
  code = k.select(k.lt(bits, k.ci32(0x800000)), tiny, code);
  return k.select(k.gt(bits, k.ci32(0x7f7fffff)), k.ci32(255), k.min(code, k.ci32(255)));
}

} // namespace

Value smallFloatToF32(ValueBuilder &k, Elem e, Value code) {
  if (e == Elem::F8E8M0)
    return scaleToF32(k, ScaleForm::E8M0, code);
  if (e == Elem::F8E4M3FN)
    return e4m3ToF32(k, code);
  if (e == Elem::F8E5M2)
    return e5m2ToF32(k, code);
  SmallFloat f = formatOf(e);
  int32_t sign = 1 << f.sign;
  Value magnitude = k.and_(code, k.ci32(sign - 1));
  Value normal = k.add(k.shl(magnitude, k.ci32(23 - f.mantissa)), k.ci32((127 - f.bias) << 23));
  Value small = k.mul(k.toF32(magnitude), k.cf32(powerOfTwo(1 - f.bias - f.mantissa)));
  Value bits = k.select(k.lt(magnitude, k.ci32(1 << f.mantissa)),
                        k.bitcast(small, k.like(code, k.i32())), normal);
  bits = k.or_(bits, k.shl(k.and_(code, k.ci32(sign)), k.ci32(31 - f.sign)));
  Value value = k.bitcast(bits, k.like(code, k.f32()));
  if (!f.oneZero)
    return value;
  return k.select(k.eq(code, k.ci32(f.nan)), nanLike(k, code), value);
}

Value f32ToSmallFloat(ValueBuilder &k, Elem e, Value x) {
  if (e == Elem::F8E8M0)
    return f32ToE8M0(k, x);
  SmallFloat f = formatOf(e);
  Type ints = k.like(x, k.i32());
  Value bits = k.bitcast(x, ints), magnitude = k.and_(bits, k.ci32(0x7fffffff));
  Value sign = k.and_(k.shrU(bits, k.ci32(31 - f.sign)), k.ci32(1 << f.sign));
  // The mantissa rounded where it is cut, to even, with the carry going on into the exponent.
  int32_t cut = 23 - f.mantissa;
  Value even = k.and_(k.shrU(magnitude, k.ci32(cut)), k.ci32(1));
  Value rounded = k.add(magnitude, k.add(even, k.ci32((1 << (cut - 1)) - 1)));
  Value normal = k.sub(k.shrU(rounded, k.ci32(cut)), k.ci32((127 - f.bias) << f.mantissa));
  // Below the normal numbers codes count multiples of the smallest one. The sum with 2^23 of them
  // is rounded to such a multiple, which its lowest bits are.
  float steps = powerOfTwo(23 - (f.bias - 1 + f.mantissa));
  Value shifted = k.add(k.bitcast(magnitude, k.like(x, k.f32())), k.cf32(steps));
  Value small = k.and_(k.bitcast(shifted, ints), k.ci32(0xff));
  Value code = k.select(k.lt(magnitude, k.ci32((128 - f.bias) << 23)), small, normal);
  code = k.select(k.gt(code, k.ci32(f.largest)), k.ci32(f.above), code);
  code = k.select(k.gt(magnitude, k.ci32(0x7f800000)), k.ci32(f.nan), code);
  Value withSign = k.or_(code, sign);
  // Where there is one zero and one NaN, neither has a sign.
  return f.oneZero ? k.select(k.eq(code, k.ci32(0)), code, withSign) : withSign;
}

} // namespace qcc
