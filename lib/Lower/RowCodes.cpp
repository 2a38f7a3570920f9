// Rows of caches as codes in kernels.
#include "RowCodes.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

/// What scales are known to be aligned to. Rows may begin at any byte where a caller passes them; a
/// GPU, which asks for alignment, gets copies of them.
int64_t scaleAlignment(KernelBuilder &k, const RowCodes &form) {
  bool words = form.codeBytes() % 4 == 0 && form.bytes() % 4 == 0;
  return words && k.target().isGpu() ? 4 : 1;
}

Value halfOf(KernelBuilder &k, Value x) {
  return arith::TruncFOp::create(k.builder(), k.loc(), k.builder().getF16Type(), x);
}
Value floatOf(KernelBuilder &k, Value half) {
  return arith::ExtFOp::create(k.builder(), k.loc(), k.f32(), half);
}
/// The bits of a f16 in an i32.
Value bitsOf(KernelBuilder &k, Value half) {
  Value bits = k.bitcast(half, k.builder().getI16Type());
  return arith::ExtUIOp::create(k.builder(), k.loc(), k.i32(), bits);
}
/// The f16 in the low bits of an i32, as f32.
Value ofBits(KernelBuilder &k, Value bits) {
  Type i16 = k.builder().getI16Type();
  Value low = arith::TruncIOp::create(k.builder(), k.loc(), i16, bits);
  return floatOf(k, k.bitcast(low, k.builder().getF16Type()));
}

Value magnitudeBits(KernelBuilder &k, Value x) {
  return k.and_(k.bitcast(x, k.vec(k.i32())), k.ci32(0x7fffffff));
}
/// Above those of all numbers are the magnitudes of infinities and NaN.
Value isFinite(KernelBuilder &k, Value magnitude) { return k.lt(magnitude, k.ci32(0x7f800000)); }

Value largestLane(KernelBuilder &k, Value integers) {
  return k.reduce(integers, [&](Value x, Value y) { return k.max(x, y); });
}

using Load = llvm::function_ref<Value(Value, Value)>;

void encodeBytes(KernelBuilder &k, const RowCodes &form, Value row, Load load) {
  Value channels = k.ci64(form.channels);
  auto most = k.forLanes(channels, k.broadcast(k.ci32(0)), [&](Value i, Value lanes, ValueRange m) {
    Value x = k.fillTail(magnitudeBits(k, load(i, lanes)), lanes, k.ci32(0));
    return KernelBuilder::Values{k.max(m[0], x)};
  });
  Value magnitude = largestLane(k, most[0]);
  Value scale = k.div(k.bitcast(magnitude, k.f32()), k.cf32(127));
  Value usable = k.and_(isFinite(k, magnitude), k.ge(scale, k.cf32(1.17549435e-38f)));
  Value inverse = k.broadcast(k.select(usable, k.div(k.cf32(1), scale), k.cf32(0)));
  Value bits = k.select(isFinite(k, magnitude), k.bitcast(scale, k.i32()), k.ci32(RowCodes::nan));
  k.rawStore(bits, k.bytePtr(row, k.ci64(form.codeBytes())), scaleAlignment(k, form));
  Value chosen = k.broadcast(usable), none = k.broadcast(k.ci32(0));
  k.forLanes(channels, [&](Value i, Value lanes) {
    Value code = k.roundClampToI32(k.mul(load(i, lanes), inverse), -127, 127);
    k.vstore(Elem::I8, k.select(chosen, code, none), row, i, lanes);
  });
}

/// Block `b`, of `count` channels.
void encodeNibbles(KernelBuilder &k, const RowCodes &form, Value row, Value b, int64_t count,
                   Load load) {
  SmallVector<Value> halves, tails;
  for (int64_t at = 0; at < count; at += RowCodes::half) {
    int64_t own = std::min(count - at, RowCodes::half);
    tails.push_back(own < kLanes ? k.ci64(own) : Value());
    Value x = load(k.add(k.mul(b, k.ci64(RowCodes::block)), k.ci64(at)), tails.back());
    halves.push_back(k.fillTail(x, tails.back(), k.extract(x, 0)));
  }
  auto over = [&](llvm::function_ref<Value(Value)> of, llvm::function_ref<Value(Value, Value)> f) {
    Value v = of(halves[0]);
    return k.reduce(halves.size() > 1 ? f(v, of(halves[1])) : v, f);
  };
  auto itself = [](Value x) { return x; };
  Value least = over(itself, [&](Value x, Value y) { return k.minFast(x, y); });
  Value most = over(itself, [&](Value x, Value y) { return k.maxFast(x, y); });
  Value finite = isFinite(k, over([&](Value x) { return magnitudeBits(k, x); },
                                  [&](Value x, Value y) { return k.max(x, y); }));
  Value top = k.cf32(RowCodes::largestHalf), bottom = k.cf32(-RowCodes::largestHalf);
  // The sum makes a zero positive.
  Value low = halfOf(k, k.minFast(k.maxFast(k.add(least, k.cf32(0)), bottom), top));
  Value step = halfOf(k, k.minFast(k.div(k.sub(most, least), k.cf32(15)), top));
  Value lowBits = k.select(finite, bitsOf(k, low), k.ci32(0));
  Value stepBits = k.select(finite, bitsOf(k, step), k.ci32(RowCodes::nanHalf));
  Value scales = k.add(k.ci64(form.codeBytes()), k.mul(b, k.ci64(RowCodes::blockScaleBytes)));
  k.rawStore(k.or_(stepBits, k.shl(lowBits, k.ci32(16))), k.bytePtr(row, scales),
             scaleAlignment(k, form));
  Value width = floatOf(k, step), usable = k.and_(finite, k.gt(width, k.cf32(0)));
  Value inverse = k.broadcast(k.select(usable, k.div(k.cf32(1), width), k.cf32(0)));
  Value from = k.broadcast(floatOf(k, low)), chosen = k.broadcast(usable);
  auto codeOf = [&](size_t half) {
    Value code = k.roundClampToI32(k.mul(k.sub(halves[half], from), inverse), 0, 15);
    code = k.select(chosen, code, k.broadcast(k.ci32(0)));
    return half ? k.shl(k.fillTail(code, tails[half], k.ci32(0)), k.ci32(4)) : code;
  };
  Value pair = codeOf(0);
  if (halves.size() > 1)
    pair = k.or_(pair, codeOf(1));
  k.vstore(Elem::U8, pair, row, k.mul(b, k.ci64(RowCodes::half)), tails[0]);
}

} // namespace

void lower::encodeRow(KernelBuilder &k, const RowCodes &form, Value row, Load load) {
  if (form.codes == Storage::i8)
    return encodeBytes(k, form, row, load);
  int64_t whole = form.channels / RowCodes::block;
  k.forRange(k.ci64(whole),
             [&](Value b) { encodeNibbles(k, form, row, b, RowCodes::block, load); });
  if (int64_t rest = form.channels % RowCodes::block)
    encodeNibbles(k, form, row, k.ci64(whole), rest, load);
}

Value lower::decodeLanes(KernelBuilder &k, const RowCodes &form, Value row, Value i, Value lanes) {
  int64_t align = scaleAlignment(k, form);
  Value scales = k.bytePtr(row, k.ci64(form.codeBytes()));
  if (form.codes == Storage::i8) {
    Value scale = k.rawLoad(k.f32(), scales, align);
    return k.mul(k.toF32(k.vload(Elem::I8, row, i, lanes)), k.broadcast(scale));
  }
  Value b = k.shrU(i, k.ci64(5)), upper = k.and_(i, k.ci64(RowCodes::half));
  static_assert(RowCodes::block == 1 << 5 && RowCodes::half == 16);
  Value pairs = k.vload(Elem::U8, row, k.mul(b, k.ci64(RowCodes::half)), lanes);
  Value shift = k.toI32(k.shrU(upper, k.ci64(2))); // 0 or 4
  Value codes = k.and_(k.shrU(pairs, k.broadcast(shift)), k.ci32(15));
  Value word =
      k.rawLoad(k.i32(), k.bytePtr(scales, k.mul(b, k.ci64(RowCodes::blockScaleBytes))), align);
  Value step = ofBits(k, word), low = ofBits(k, k.shrU(word, k.ci32(16)));
  return k.fma(k.toF32(codes), k.broadcast(step), k.broadcast(low));
}
