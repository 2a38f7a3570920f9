// Arithmetic of kernels: conversions, lanes, reductions. See ValueBuilder.h.
#include "qcc/Kernels/ValueBuilder.h"
#include "Tile/Tile.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "qcc/Kernels/SmallFloats.h"

using namespace mlir;

namespace qcc {

int64_t elemBytes(Elem e) {
  switch (e) {
  case Elem::U8:
  case Elem::I8:
  case Elem::Bool:
  case Elem::F8E4M3FN:
  case Elem::F8E4M3FNUZ:
  case Elem::F8E5M2:
  case Elem::F8E5M2FNUZ:
  case Elem::F8E8M0:
  case Elem::F4E2M1:
  case Elem::U4:
  case Elem::I4:
  case Elem::U2:
  case Elem::I2:
    return 1;
  case Elem::U16:
  case Elem::I16:
  case Elem::F16:
  case Elem::BF16:
    return 2;
  case Elem::F32:
  case Elem::I32:
  case Elem::U32:
    return 4;
  case Elem::I64:
  case Elem::U64:
  case Elem::F64:
    return 8;
  }
  return 0;
}

int64_t elemBits(Elem e) {
  switch (e) {
  case Elem::Bool:
    return 1;
  case Elem::U2:
  case Elem::I2:
    return 2;
  case Elem::U4:
  case Elem::I4:
    return 4;
  default:
    return 8 * elemBytes(e);
  }
}

bool elemIsSmallFloat(Elem e) {
  return e == Elem::F8E4M3FN || e == Elem::F8E4M3FNUZ || e == Elem::F8E5M2 ||
         e == Elem::F8E5M2FNUZ || e == Elem::F8E8M0 || e == Elem::F4E2M1;
}

bool elemIsFloat(Elem e) {
  return e == Elem::F32 || e == Elem::F64 || e == Elem::F16 || e == Elem::BF16 ||
         elemIsSmallFloat(e);
}

bool elemIsUnsigned(Elem e) {
  return e == Elem::U8 || e == Elem::U16 || e == Elem::U32 || e == Elem::U64 || e == Elem::Bool ||
         e == Elem::U4 || e == Elem::U2;
}

StringRef elemName(Elem e) {
  switch (e) {
  case Elem::F32:
    return "f32";
  case Elem::U8:
    return "u8";
  case Elem::I8:
    return "i8";
  case Elem::U16:
    return "u16";
  case Elem::I16:
    return "i16";
  case Elem::I32:
    return "i32";
  case Elem::I64:
    return "i64";
  case Elem::Bool:
    return "bool";
  case Elem::F16:
    return "f16";
  case Elem::F64:
    return "f64";
  case Elem::U32:
    return "u32";
  case Elem::U64:
    return "u64";
  case Elem::BF16:
    return "bf16";
  case Elem::F8E4M3FN:
    return "f8e4m3fn";
  case Elem::F8E4M3FNUZ:
    return "f8e4m3fnuz";
  case Elem::F8E5M2:
    return "f8e5m2";
  case Elem::F8E5M2FNUZ:
    return "f8e5m2fnuz";
  case Elem::F8E8M0:
    return "f8e8m0";
  case Elem::F4E2M1:
    return "f4e2m1";
  case Elem::U4:
    return "u4";
  case Elem::I4:
    return "i4";
  case Elem::U2:
    return "u2";
  case Elem::I2:
    return "i2";
  }
  return "";
}

static Type scalarOf(Type t) {
  auto v = dyn_cast<VectorType>(t);
  return v ? v.getElementType() : t;
}
static bool isFloat(Value v) { return isa<FloatType>(scalarOf(v.getType())); }

Value ValueBuilder::ci64(int64_t v) { return arith::ConstantIntOp::create(b, where, v, 64); }
Value ValueBuilder::ci32(int32_t v) { return arith::ConstantIntOp::create(b, where, v, 32); }
Value ValueBuilder::ci1(bool v) { return arith::ConstantIntOp::create(b, where, v, 1); }
Value ValueBuilder::cf32(float v) {
  return arith::ConstantOp::create(b, where, b.getF32FloatAttr(v));
}
Value ValueBuilder::cf64(double v) {
  return arith::ConstantOp::create(b, where, b.getF64FloatAttr(v));
}
Value ValueBuilder::constant(Type type, double v) {
  if (auto f = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, where, b.getFloatAttr(f, v));
  return arith::ConstantOp::create(b, where, b.getIntegerAttr(type, static_cast<int64_t>(v)));
}
Value ValueBuilder::iota32() {
  SmallVector<int32_t> v(kLanes);
  for (int32_t i = 0; i < kLanes; ++i)
    v[i] = i;
  return arith::ConstantOp::create(b, where,
                                   DenseElementsAttr::get(vec(i32()), ArrayRef<int32_t>(v)));
}
Value ValueBuilder::iota64() {
  SmallVector<int64_t> v(kLanes);
  for (int64_t i = 0; i < kLanes; ++i)
    v[i] = i;
  return arith::ConstantOp::create(b, where,
                                   DenseElementsAttr::get(vec(i64()), ArrayRef<int64_t>(v)));
}

Type ValueBuilder::ptrType() { return LLVM::LLVMPointerType::get(b.getContext()); }
VectorType ValueBuilder::vec(Type scalar, int64_t lanes) { return VectorType::get(lanes, scalar); }

Type ValueBuilder::computeType(Elem e) {
  switch (e) {
  case Elem::F32:
  case Elem::F16:
  case Elem::BF16:
  case Elem::F8E4M3FN:
  case Elem::F8E4M3FNUZ:
  case Elem::F8E5M2:
  case Elem::F8E5M2FNUZ:
  case Elem::F8E8M0:
  case Elem::F4E2M1:
    return f32();
  case Elem::F64:
    return f64();
  case Elem::I64:
  case Elem::U64:
    return i64();
  case Elem::Bool:
    return i1();
  default:
    return i32();
  }
}

Type ValueBuilder::storageType(Elem e) {
  switch (e) {
  case Elem::F32:
    return f32();
  case Elem::F64:
    return f64();
  // The half types travel as bits: code generators have no loads and selects of them everywhere.
  default:
    return b.getIntegerType(8 * elemBytes(e));
  }
}

Type ValueBuilder::like(Value x, Type scalar) {
  auto v = dyn_cast<VectorType>(x.getType());
  return v ? Type(VectorType::get(v.getShape(), scalar)) : scalar;
}

Value ValueBuilder::wrap(Elem e, Value x) {
  if (elemIsFloat(e) || e == Elem::Bool || elemBits(e) >= 32)
    return x;
  auto unused = static_cast<int32_t>(32 - elemBits(e));
  if (elemIsUnsigned(e))
    return and_(x, ci32(static_cast<int32_t>((1u << elemBits(e)) - 1)));
  return shr(shl(x, ci32(unused)), ci32(unused));
}

/// From the type in memory to the compute type.
Value ValueBuilder::widen(Elem e, Value stored) {
  if (elemIsSmallFloat(e))
    return smallFloatToF32(*this, e, arith::ExtUIOp::create(b, where, like(stored, i32()), stored));
  Type half = e == Elem::F16 ? Type(b.getF16Type()) : Type(b.getBF16Type());
  switch (e) {
  case Elem::F16:
  case Elem::BF16:
    return arith::ExtFOp::create(b, where, like(stored, f32()),
                                 bitcast(stored, like(stored, half)));
  case Elem::I8:
  case Elem::I16:
  case Elem::I4:
  case Elem::I2:
    return arith::ExtSIOp::create(b, where, like(stored, i32()), stored);
  case Elem::U8:
  case Elem::U16:
  case Elem::U4:
  case Elem::U2:
    return arith::ExtUIOp::create(b, where, like(stored, i32()), stored);
  case Elem::Bool:
    return ne(stored, constant(b.getI8Type(), 0));
  default:
    return stored;
  }
}

Value ValueBuilder::narrow(Elem e, Value computed) {
  Type to = like(computed, storageType(e));
  if (elemIsSmallFloat(e))
    return arith::TruncIOp::create(b, where, to, f32ToSmallFloat(*this, e, computed));
  Type half = e == Elem::F16 ? Type(b.getF16Type()) : Type(b.getBF16Type());
  switch (e) {
  case Elem::F16:
  case Elem::BF16:
    return bitcast(arith::TruncFOp::create(b, where, like(computed, half), computed), to);
  case Elem::I4:
  case Elem::I2:
  case Elem::U4:
  case Elem::U2:
    return arith::TruncIOp::create(b, where, to, wrap(e, computed));
  case Elem::I8:
  case Elem::I16:
  case Elem::U8:
  case Elem::U16:
    return arith::TruncIOp::create(b, where, to, computed);
  case Elem::Bool:
    return arith::ExtUIOp::create(b, where, to, computed);
  default:
    return computed;
  }
}
Value ValueBuilder::broadcast(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, where, vec(scalar.getType(), lanes), scalar);
}
Value ValueBuilder::extract(Value vector, int64_t lane) {
  return vector::ExtractOp::create(b, where, vector, lane);
}
Value ValueBuilder::insert(Value scalar, Value vector, int64_t lane) {
  return vector::InsertOp::create(b, where, scalar, vector, lane);
}
Value ValueBuilder::shuffle(Value a, Value c, ArrayRef<int64_t> lanes) {
  return vector::ShuffleOp::create(b, where, a, c, lanes);
}

//===-- Arithmetic ----------------------------------------------------------------------------===//

std::pair<Value, Value> ValueBuilder::match(Value x, Value y) {
  auto vx = dyn_cast<VectorType>(x.getType()), vy = dyn_cast<VectorType>(y.getType());
  if (vx && !vy)
    y = broadcast(y, vx.getNumElements());
  if (vy && !vx)
    x = broadcast(x, vy.getNumElements());
  assert(x.getType() == y.getType() && "operands of different types");
  return {x, y};
}

template <typename F, typename I> Value ValueBuilder::binary(Value x, Value y) {
  std::tie(x, y) = match(x, y);
  if (isFloat(x))
    return F::create(b, where, x, y);
  return I::create(b, where, x, y);
}

Value ValueBuilder::add(Value x, Value y) { return binary<arith::AddFOp, arith::AddIOp>(x, y); }
Value ValueBuilder::sub(Value x, Value y) { return binary<arith::SubFOp, arith::SubIOp>(x, y); }
Value ValueBuilder::mul(Value x, Value y) { return binary<arith::MulFOp, arith::MulIOp>(x, y); }
Value ValueBuilder::div(Value x, Value y) { return binary<arith::DivFOp, arith::DivSIOp>(x, y); }
Value ValueBuilder::rem(Value x, Value y) { return binary<arith::RemFOp, arith::RemSIOp>(x, y); }
Value ValueBuilder::divU(Value x, Value y) { return binary<arith::DivFOp, arith::DivUIOp>(x, y); }
Value ValueBuilder::remU(Value x, Value y) { return binary<arith::RemFOp, arith::RemUIOp>(x, y); }
Value ValueBuilder::ceilDiv(Value x, Value y) {
  return divU(add(x, sub(y, constant(y.getType(), 1))), y);
}
Value ValueBuilder::fma(Value x, Value y, Value z) {
  std::tie(x, y) = match(x, y);
  std::tie(x, z) = match(x, z);
  std::tie(x, y) = match(x, y);
  return math::FmaOp::create(b, where, x, y, z);
}
Value ValueBuilder::neg(Value x) {
  if (isFloat(x))
    return arith::NegFOp::create(b, where, x);
  return sub(constant(scalarOf(x.getType()), 0), x);
}
Value ValueBuilder::abs(Value x) {
  if (isFloat(x))
    return math::AbsFOp::create(b, where, x);
  return math::AbsIOp::create(b, where, x);
}
Value ValueBuilder::min(Value x, Value y) {
  return binary<arith::MinimumFOp, arith::MinSIOp>(x, y);
}
Value ValueBuilder::max(Value x, Value y) {
  return binary<arith::MaximumFOp, arith::MaxSIOp>(x, y);
}
Value ValueBuilder::minU(Value x, Value y) {
  return binary<arith::MinimumFOp, arith::MinUIOp>(x, y);
}
Value ValueBuilder::maxU(Value x, Value y) {
  return binary<arith::MaximumFOp, arith::MaxUIOp>(x, y);
}
Value ValueBuilder::minFast(Value x, Value y) { return select(lt(x, y), x, y); }
Value ValueBuilder::maxFast(Value x, Value y) { return select(gt(x, y), x, y); }
Value ValueBuilder::and_(Value x, Value y) { return binary<arith::AddFOp, arith::AndIOp>(x, y); }
Value ValueBuilder::or_(Value x, Value y) { return binary<arith::AddFOp, arith::OrIOp>(x, y); }
Value ValueBuilder::xor_(Value x, Value y) { return binary<arith::AddFOp, arith::XOrIOp>(x, y); }
Value ValueBuilder::not_(Value x) { return xor_(x, constant(scalarOf(x.getType()), -1)); }
Value ValueBuilder::shl(Value x, Value y) { return binary<arith::AddFOp, arith::ShLIOp>(x, y); }
Value ValueBuilder::shr(Value x, Value y) { return binary<arith::AddFOp, arith::ShRSIOp>(x, y); }
Value ValueBuilder::shrU(Value x, Value y) { return binary<arith::AddFOp, arith::ShRUIOp>(x, y); }
Value ValueBuilder::select(Value cond, Value x, Value y) {
  std::tie(x, y) = match(x, y);
  if (auto c = dyn_cast<VectorType>(cond.getType()); c && !isa<VectorType>(x.getType())) {
    x = broadcast(x, c.getNumElements());
    y = broadcast(y, c.getNumElements());
  }
  return arith::SelectOp::create(b, where, cond, x, y);
}

Value ValueBuilder::compare(Value x, Value y, arith::CmpFPredicate f, arith::CmpIPredicate i) {
  std::tie(x, y) = match(x, y);
  if (isFloat(x))
    return arith::CmpFOp::create(b, where, f, x, y);
  return arith::CmpIOp::create(b, where, i, x, y);
}
Value ValueBuilder::eq(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OEQ, arith::CmpIPredicate::eq);
}
Value ValueBuilder::ne(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::UNE, arith::CmpIPredicate::ne);
}
Value ValueBuilder::lt(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OLT, arith::CmpIPredicate::slt);
}
Value ValueBuilder::le(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OLE, arith::CmpIPredicate::sle);
}
Value ValueBuilder::gt(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OGT, arith::CmpIPredicate::sgt);
}
Value ValueBuilder::ge(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OGE, arith::CmpIPredicate::sge);
}
Value ValueBuilder::ltU(Value x, Value y) {
  return compare(x, y, arith::CmpFPredicate::OLT, arith::CmpIPredicate::ult);
}
Value ValueBuilder::isNan(Value x) {
  return arith::CmpFOp::create(b, where, arith::CmpFPredicate::UNO, x, x);
}

//===-- Conversions ---------------------------------------------------------------------------===//

Value ValueBuilder::saturate(StringRef intrinsic, Type to, Value x) {
  return LLVM::CallIntrinsicOp::create(b, where, to, b.getStringAttr(intrinsic), ValueRange{x})
      .getResult(0);
}

Value ValueBuilder::toF32(Value x) {
  Type s = scalarOf(x.getType()), to = like(x, f32());
  if (s == f32())
    return x;
  if (s == f64())
    return arith::TruncFOp::create(b, where, to, x);
  if (s == i1())
    return arith::UIToFPOp::create(b, where, to, x);
  return arith::SIToFPOp::create(b, where, to, x);
}
Value ValueBuilder::toF64(Value x) {
  Type s = scalarOf(x.getType()), to = like(x, f64());
  if (s == f64())
    return x;
  if (s == f32())
    return arith::ExtFOp::create(b, where, to, x);
  if (s == i1())
    return arith::UIToFPOp::create(b, where, to, x);
  return arith::SIToFPOp::create(b, where, to, x);
}
Value ValueBuilder::toF32Unsigned(Value x) {
  return arith::UIToFPOp::create(b, where, like(x, f32()), x);
}
Value ValueBuilder::toI64(Value x) {
  Type s = scalarOf(x.getType()), to = like(x, i64());
  if (s == i64())
    return x;
  if (isFloat(x))
    return saturate("llvm.fptosi.sat", to, x);
  if (s == i1())
    return arith::ExtUIOp::create(b, where, to, x);
  return arith::ExtSIOp::create(b, where, to, x);
}
/// Towards zero, to the nearest end beyond the range; NaN becomes 0. For vectors of f32, of whose
/// llvm.fptosi.sat x86 makes scalar code.
Value ValueBuilder::saturateToI32(Value x) {
  Value largest = cf32(0x1.fffffep30f); // below 2^31
  Value inRange = minFast(maxFast(x, cf32(-0x1p31f)), largest);
  Value r = arith::FPToSIOp::create(b, where, like(x, i32()), inRange);
  r = select(gt(x, largest), ci32(INT32_MAX), r);
  return select(isNan(x), ci32(0), r);
}
Value ValueBuilder::toI32(Value x) {
  Type s = scalarOf(x.getType()), to = like(x, i32());
  if (s == i32())
    return x;
  if (s == f32() && isa<VectorType>(x.getType()))
    return saturateToI32(x);
  if (isFloat(x))
    return saturate("llvm.fptosi.sat", to, x);
  if (s == i64())
    return arith::TruncIOp::create(b, where, to, x);
  if (s == i1())
    return arith::ExtUIOp::create(b, where, to, x);
  return arith::ExtSIOp::create(b, where, to, x);
}
Value ValueBuilder::zextI64(Value x) { return arith::ExtUIOp::create(b, where, like(x, i64()), x); }
Value ValueBuilder::roundToI32(Value x) {
  if (isa<VectorType>(x.getType()))
    return tile::RoundEvenToI32Op::create(b, where, like(x, i32()), x);
  Value one = broadcast(x, 4); // the narrowest register
  return extract(tile::RoundEvenToI32Op::create(b, where, vec(i32(), 4), one), 0);
}
Value ValueBuilder::bitcast(Value x, Type type) {
  if (isa<VectorType>(type) && isa<VectorType>(x.getType()))
    return vector::BitCastOp::create(b, where, cast_or_null<VectorType>(type), x);
  return arith::BitcastOp::create(b, where, type, x);
}
Value ValueBuilder::roundClampToI32(Value x, float lo, float hi) {
  return roundToI32(minFast(maxFast(x, cf32(lo)), cf32(hi)));
}

Value ValueBuilder::cast(Value x, Elem from, Elem to) {
  Type target = computeType(to), source = computeType(from);
  if (from == to)
    return x;
  if (elemIsSmallFloat(to)) // rounded once, from f32
    return widen(to, narrow(to, cast(x, from, Elem::F32)));
  if (to == Elem::Bool)
    return from == Elem::Bool ? x : ne(x, constant(source, 0));
  if (elemIsFloat(to)) {
    if (to == Elem::F64 && elemIsFloat(from))
      return toF64(x);
    if (elemIsFloat(from))
      return toF32(x);
    bool isUnsigned = elemIsUnsigned(from) && from != Elem::Bool;
    if (isUnsigned)
      return arith::UIToFPOp::create(b, where, like(x, target), x);
    return to == Elem::F64 ? toF64(x) : toF32(x);
  }
  if (elemIsFloat(from)) {
    if (to == Elem::U64)
      return saturate("llvm.fptoui.sat", like(x, i64()), x);
    if (to == Elem::U32)
      return toI32(toI64(x));
    return target == i64() ? toI64(x) : toI32(x);
  }
  Value v = x; // integer or bool to integer: to the range of the source first, then resize
  if (target == i64() && source == i32())
    v = from == Elem::U32 ? zextI64(v) : toI64(v);
  else
    v = target == i64() ? toI64(v) : toI32(v);
  // A compute i32 must hold what a load of the stored value would give.
  if (target == i32() && elemBytes(to) < 4)
    v = widen(to, narrow(to, v));
  return v;
}

//===-- Mathematics and reductions ------------------------------------------------------------===//

Value ValueBuilder::sqrt(Value x) { return math::SqrtOp::create(b, where, x); }
Value ValueBuilder::rsqrt(Value x) { return div(constant(scalarOf(x.getType()), 1), sqrt(x)); }
Value ValueBuilder::exp(Value x) { return math::ExpOp::create(b, where, x); }
Value ValueBuilder::log(Value x) { return math::LogOp::create(b, where, x); }
Value ValueBuilder::tanh(Value x) { return math::TanhOp::create(b, where, x); }
Value ValueBuilder::erf(Value x) { return math::ErfOp::create(b, where, x); }
Value ValueBuilder::sin(Value x) { return math::SinOp::create(b, where, x); }
Value ValueBuilder::cos(Value x) { return math::CosOp::create(b, where, x); }
Value ValueBuilder::pow(Value x, Value y) {
  std::tie(x, y) = match(x, y);
  return math::PowFOp::create(b, where, x, y);
}
Value ValueBuilder::floor(Value x) { return math::FloorOp::create(b, where, x); }
Value ValueBuilder::ceil(Value x) { return math::CeilOp::create(b, where, x); }
Value ValueBuilder::roundEven(Value x) { return math::RoundEvenOp::create(b, where, x); }
Value ValueBuilder::truncate(Value x) { return math::TruncOp::create(b, where, x); }
Value ValueBuilder::sigmoid(Value x) {
  Value one = constant(scalarOf(x.getType()), 1);
  return div(one, add(one, exp(neg(x))));
}

Value ValueBuilder::reduce(Value v, function_ref<Value(Value, Value)> combine) {
  int64_t n = mlir::cast<VectorType>(v.getType()).getNumElements();
  while (n > 1) {
    SmallVector<int64_t> low(n / 2), high(n / 2);
    for (int64_t i = 0; i < n / 2; ++i) {
      low[i] = i;
      high[i] = i + n / 2;
    }
    v = combine(shuffle(v, v, low), shuffle(v, v, high));
    n /= 2;
  }
  return extract(v, 0);
}
Value ValueBuilder::reduceAdd(Value v) {
  return reduce(v, [&](Value x, Value y) { return add(x, y); });
}
Value ValueBuilder::reduceMax(Value v) {
  return reduce(v, [&](Value x, Value y) { return max(x, y); });
}
Value ValueBuilder::reduceMin(Value v) {
  return reduce(v, [&](Value x, Value y) { return min(x, y); });
}
Value ValueBuilder::reduceMul(Value v) {
  return reduce(v, [&](Value x, Value y) { return mul(x, y); });
}
Value ValueBuilder::reduceAnd(Value v) {
  return reduce(v, [&](Value x, Value y) { return and_(x, y); });
}
Value ValueBuilder::reduceOr(Value v) {
  return reduce(v, [&](Value x, Value y) { return or_(x, y); });
}

} // namespace qcc
