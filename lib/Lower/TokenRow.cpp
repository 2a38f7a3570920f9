// Dynamic quantization of one row.
#include "qcc/Lower/TokenRow.h"
#include "qcc/Kernels/QuantizedLayout.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

TokenBuffer lower::tokenBuffer(KernelFrame &frame, QType type, Value base) {
  QuantizedLayout layout = layoutOf(type);
  TokenBuffer buffer{base, frame.dim(layout.rowBytes), {}, {}, frame.dim(layout.blocks), type};
  buffer.scales = frame.k.bytePtr(base, frame.dim(layout.scales));
  buffer.sums = frame.k.bytePtr(base, frame.dim(layout.extra));
  return buffer;
}

void lower::emitTokenRow(KernelBuilder &k, const TokenBuffer &buffer, Value row, Value length,
                         TokenRange range, llvm::function_ref<Value(Value, Value)> element) {
  Value scale =
      range.low ? k.div(k.sub(range.high, range.low), k.cf32(255)) : k.div(range.high, k.cf32(127));
  // A row of zeros, or of numbers too small to have a reciprocal, has codes 0.
  Value usable = k.ge(scale, k.cf32(1.17549435e-38f));
  Value inverse = k.broadcast(k.select(usable, k.div(k.cf32(1), scale), k.cf32(0)));
  k.store(Elem::F32, scale, buffer.scales, row);
  Value zero;
  if (range.low) {
    Value steps = k.roundEven(k.div(k.neg(range.low), scale));
    Value offset = k.roundClampToI32(k.sub(steps, k.cf32(128)), -128, 127);
    zero = k.select(usable, offset, k.ci32(0));
    k.store(Elem::I32, zero, buffer.sums, row);
    zero = k.broadcast(zero);
  }
  Value codes = k.bytePtr(buffer.base, k.mul(row, buffer.rowBytes));
  bool isUnsigned = buffer.type.getLayout() == Layout::token_u8;
  auto write = [&](Value i, Value lanes) {
    Value scaled = k.mul(element(i, lanes), inverse), code;
    if (zero) // a quotient is at most 255 in magnitude before the zero point moves it
      code = k.min(k.max(k.add(k.roundClampToI32(scaled, -256, 256), zero), k.ci32(-128)),
                   k.ci32(127));
    else
      code = k.roundClampToI32(scaled, -127, 127);
    Value stored = isUnsigned ? k.add(code, k.ci32(128)) : code;
    k.vstore(isUnsigned ? Elem::U8 : Elem::I8, stored, codes, i, lanes);
    return code;
  };
  int64_t block = buffer.type.getBlock();
  if (!block) {
    k.forLanes(length, [&](Value i, Value lanes) { write(i, lanes); });
    return;
  }
  k.forRange(buffer.blocks, [&](Value b) {
    Value from = k.mul(b, k.ci64(block));
    Value count = k.min(k.ci64(block), k.sub(length, from));
    Value zero = k.broadcast(k.ci32(0));
    auto sums = k.forLanes(count, zero, [&](Value i, Value lanes, ValueRange sum) {
      Value code = write(k.add(from, i), lanes);
      return KernelBuilder::Values{k.add(sum[0], k.fillTail(code, lanes, k.ci32(0)))};
    });
    k.store(Elem::I32, k.reduceAdd(sums[0]), buffer.sums, k.add(k.mul(row, buffer.blocks), b));
  });
}
