// Quantization of one row.
#include "qcc/Lower/TokenRow.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Kernels/SmallFloats.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

TokenBuffer lower::tokenBuffer(KernelFrame &frame, QType type, Value base) {
  QuantizedLayout layout = layoutOf(type);
  TokenBuffer buffer;
  buffer.base = base;
  buffer.rowBytes = frame.dim(layout.rowBytes);
  buffer.planeBytes = frame.dim(layout.planeBytes);
  buffer.scales = frame.k.bytePtr(base, frame.dim(layout.scales));
  buffer.sums = frame.k.bytePtr(base, frame.dim(layout.extra));
  buffer.blocks = frame.dim(layout.blocks);
  buffer.groups = frame.dim(layout.groups);
  buffer.type = type;
  return buffer;
}

bool lower::isTokenRow(QType type) {
  Layout layout = type.getLayout();
  auto isOneOf = [&](std::initializer_list<Layout> layouts) {
    return llvm::is_contained(layouts, layout);
  };
  bool fits = type.getStorage() == Storage::i16 ? isOneOf({Layout::token_s16})
              : type.getStorage() == Storage::f8e4m3fn
                  ? isOneOf({Layout::token_f32, Layout::token_f8})
                  : isOneOf({Layout::token_s8, Layout::token_u8});
  return fits && (!type.getGroup() || type.getBlock() <= type.getGroup());
}

namespace {

class TokenWriter {
public:
  using Element = llvm::function_ref<Value(Value, Value)>;
  TokenWriter(KernelBuilder &k, const TokenBuffer &buffer, Value row, Value length, Element element)
      : k(k), buffer(buffer), type(buffer.type), row(row), length(length), element(element) {
    codes = k.bytePtr(buffer.base, k.mul(row, buffer.rowBytes));
  }
  void write(const TokenRange &range);

private:
  bool isWide() const { return type.getLayout() == Layout::token_s16; }
  bool isReal() const { return type.getStorage() == Storage::f8e4m3fn; }
  float largest() const { return isReal() ? 448 : isWide() ? 32639 : 127; }
  void setScale(Value scale, Value index);
  Value offsetOf(Value low, Value scale);
  Value code(Value i, Value lanes);
  void store(Value code, Value i, Value lanes);
  void writeRun(Value from, Value count);
  void writeGroups();
  void clearTail();

  KernelBuilder &k;
  const TokenBuffer &buffer;
  QType type;
  Value row, length, codes;
  Element element;
  Value usable, inverse; ///< of the scale in use
  Value zero;            ///< 16 times the zero point, or null
};

void TokenWriter::setScale(Value scale, Value index) {
  // Zeros, or numbers too small to have a reciprocal, have codes 0.
  usable = k.ge(scale, k.cf32(1.17549435e-38f));
  inverse = k.broadcast(k.select(usable, k.div(k.cf32(1), scale), k.cf32(0)));
  k.store(Elem::F32, scale, buffer.scales, index);
}

/// The zero point of a row, as a signed number.
Value TokenWriter::offsetOf(Value low, Value scale) {
  Value steps = k.roundEven(k.div(k.neg(low), scale));
  Value offset = k.roundClampToI32(k.sub(steps, k.cf32(128)), -128, 127);
  return k.select(usable, offset, k.ci32(0));
}

Value TokenWriter::code(Value i, Value lanes) {
  Value scaled = k.mul(element(i, lanes), inverse);
  Value none = k.broadcast(k.cf32(0));
  scaled = k.select(k.isNan(scaled), none, scaled);
  if (isReal()) {
    scaled = k.select(k.broadcast(usable), scaled, none); // zeros of either sign have code 0
    scaled = k.minFast(k.maxFast(scaled, k.cf32(-largest())), k.cf32(largest()));
    return f32ToSmallFloat(k, Elem::F8E4M3FN, scaled);
  }
  if (!zero)
    return k.roundClampToI32(scaled, -largest(), largest());
  // A quotient is at most 255 in magnitude before the zero point moves it.
  Value moved = k.add(k.roundClampToI32(scaled, -256, 256), zero);
  return k.min(k.max(moved, k.ci32(-128)), k.ci32(127));
}

void TokenWriter::store(Value code, Value i, Value lanes) {
  if (isWide()) { // 256 * high + low, both signed
    Value high = k.shr(k.add(code, k.ci32(128)), k.ci32(8));
    k.vstore(Elem::I8, high, codes, i, lanes);
    k.vstore(Elem::I8, code, k.bytePtr(codes, buffer.planeBytes), i, lanes);
  } else if (type.getLayout() == Layout::token_f32) {
    k.vstore(Elem::F32, e4m3ToF32(k, code), codes, i, lanes);
  } else if (type.getLayout() == Layout::token_u8) {
    k.vstore(Elem::U8, k.add(code, k.ci32(128)), codes, i, lanes);
  } else {
    k.vstore(Elem::I8, code, codes, i, lanes);
  }
}

/// Codes of elements that share a scale, and their sums.
void TokenWriter::writeRun(Value from, Value count) {
  int64_t block = type.getBlock();
  if (!block) {
    k.forLanes(count, [&](Value i, Value lanes) {
      Value at = k.add(from, i);
      store(code(at, lanes), at, lanes);
    });
    return;
  }
  Value firstBlock = k.add(k.mul(row, buffer.blocks), k.div(from, k.ci64(block)));
  k.forRange(k.ceilDiv(count, k.ci64(block)), [&](Value b) {
    Value offset = k.mul(b, k.ci64(block)), start = k.add(from, offset);
    Value inside = k.min(k.ci64(block), k.sub(count, offset));
    Value none = k.broadcast(k.ci32(0));
    auto sums = k.forLanes(inside, none, [&](Value i, Value lanes, ValueRange sum) {
      Value at = k.add(start, i), one = code(at, lanes);
      store(one, at, lanes);
      return KernelBuilder::Values{k.add(sum[0], k.fillTail(one, lanes, k.ci32(0)))};
    });
    k.store(Elem::I32, k.reduceAdd(sums[0]), buffer.sums, k.add(firstBlock, b));
  });
}

void TokenWriter::writeGroups() {
  k.forRange(buffer.groups, [&](Value g) {
    Value size = k.ci64(type.getGroup()), from = k.mul(g, size);
    Value count = k.min(size, k.sub(length, from)), none = k.broadcast(k.cf32(0));
    auto high = k.forLanes(count, none, [&](Value i, Value lanes, ValueRange m) {
      Value x = k.fillTail(k.abs(element(k.add(from, i), lanes)), lanes, k.cf32(0));
      return KernelBuilder::Values{k.maxFast(x, m[0])}; // leaves NaN out
    });
    Value scale = k.div(k.reduceMax(high[0]), k.cf32(largest()));
    setScale(scale, k.add(k.mul(row, buffer.groups), g));
    writeRun(from, count);
  });
}

/// Products in blocks read whole blocks: codes behind the row must not add to them.
void TokenWriter::clearTail() {
  Value tail = k.bytePtr(codes, length), none = k.broadcast(k.ci32(0));
  k.forLanes(k.sub(buffer.planeBytes, length), [&](Value i, Value lanes) {
    k.vstore(Elem::I8, none, tail, i, lanes);
    if (isWide())
      k.vstore(Elem::I8, none, k.bytePtr(tail, buffer.planeBytes), i, lanes);
  });
}

void TokenWriter::write(const TokenRange &range) {
  if (type.getGroup()) {
    writeGroups();
  } else {
    Value scale = range.scale ? range.scale
                  : range.low ? k.div(k.sub(range.high, range.low), k.cf32(255))
                              : k.div(range.high, k.cf32(largest()));
    setScale(scale, row);
    zero = range.scale ? range.zero : range.low ? offsetOf(range.low, scale) : Value();
    if (zero) {
      if (type.getZero()) // else whoever reads the codes knows where their zero lies
        k.store(Elem::I32, zero, buffer.sums, row);
      zero = k.broadcast(zero);
    }
    writeRun(k.ci64(0), length);
  }
  if (type.getLayout() != Layout::token_u8 && type.getLayout() != Layout::token_f32)
    clearTail();
}

} // namespace

void lower::emitTokenRow(KernelBuilder &k, const TokenBuffer &buffer, Value row, Value length,
                         TokenRange range, llvm::function_ref<Value(Value, Value)> element) {
  TokenWriter(k, buffer, row, length, element).write(range);
}
