// Numbers of eight bits as f32.
#include "qcc/Kernels/SmallFloats.h"

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

} // namespace qcc
