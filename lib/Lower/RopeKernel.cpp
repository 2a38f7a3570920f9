// Rotary position embedding, one row of channels at a time.
#include "FamilySupport.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

class RopeEmitter {
public:
  explicit RopeEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<RopeOp>(frame.kernel)) {}
  LogicalResult emit();

private:
  void emitHalves(Value from, Value to, Value angle);
  void emitPairs(Value from, Value to, Value angle);
  std::pair<Value, Value> rotate(Value a, Value b, Value cosine, Value sine) {
    return {k.sub(k.mul(a, cosine), k.mul(b, sine)), k.add(k.mul(b, cosine), k.mul(a, sine))};
  }

  KernelFrame &frame;
  KernelBuilder &k;
  RopeOp op;
  Elem elem = Elem::F32;
  Operand x, cosine, sine;
  Value half, channels, out;
};

/// Channels i and W + i; bases are element indices of the row's first channel.
void RopeEmitter::emitHalves(Value from, Value to, Value angle) {
  k.forLanes(half, [&](Value i, Value lanes) {
    Value second = k.add(i, half);
    Value c = cosine.vload(k, angle, i, lanes), s = sine.vload(k, angle, i, lanes);
    auto [a, b] = rotate(x.vload(k, from, i, lanes), x.vload(k, from, second, lanes), c, s);
    k.vstore(elem, a, out, k.add(to, i), lanes);
    k.vstore(elem, b, out, k.add(to, second), lanes);
  });
}

/// Channels 2 i and 2 i + 1: sixteen pairs are two vectors, taken apart and put together by lanes.
void RopeEmitter::emitPairs(Value from, Value to, Value angle) {
  SmallVector<int64_t> even, odd, low, high;
  for (int64_t l = 0; l < kLanes; ++l) {
    even.push_back(2 * l);
    odd.push_back(2 * l + 1);
    low.push_back(l / 2 + (l % 2) * kLanes);
    high.push_back(l / 2 + kLanes / 2 + (l % 2) * kLanes);
  }
  Value full = k.and_(half, k.ci64(-kLanes));
  k.forLoop(k.ci64(0), full, k.ci64(kLanes), [&](Value i) {
    Value first = k.mul(i, k.ci64(2)), next = k.add(first, k.ci64(kLanes));
    Value u = x.vload(k, from, first), v = x.vload(k, from, next);
    Value c = cosine.vload(k, angle, i), s = sine.vload(k, angle, i);
    auto [a, b] = rotate(k.shuffle(u, v, even), k.shuffle(u, v, odd), c, s);
    k.vstore(elem, k.shuffle(a, b, low), out, k.add(to, first));
    k.vstore(elem, k.shuffle(a, b, high), out, k.add(to, next));
  });
  auto element = [&](const Operand &operand, Value base, Value i) {
    Value at = operand.known.back() == 0 ? base : k.add(base, k.mul(i, operand.strides.back()));
    return k.load(operand.elem, operand.pointer, at);
  };
  k.forLoop(full, half, k.ci64(1), [&](Value i) {
    Value first = k.mul(i, k.ci64(2)), second = k.add(first, k.ci64(1));
    auto [a, b] = rotate(element(x, from, first), element(x, from, second),
                         element(cosine, angle, i), element(sine, angle, i));
    k.store(elem, a, out, k.add(to, first));
    k.store(elem, b, out, k.add(to, second));
  });
}

LogicalResult RopeEmitter::emit() {
  SmallVector<DimExpr> dims = dimsOf(op.getType());
  SmallVector<DimExpr> angleDims(dims), own = dimsOf(op.getCos().getType());
  angleDims.back() = own.back();
  auto input = operandOf(frame, op.getX());
  auto c = operandOf(frame, op.getCos(), angleDims), s = operandOf(frame, op.getSin(), angleDims);
  if (failed(input) || failed(c) || failed(s))
    return failure();
  x = *input;
  cosine = *c;
  sine = *s;
  elem = elemOfValue(op.getOut());
  out = frame.resultPointer(0);
  half = frame.dim(own.back());
  channels = frame.dim(dims.back());
  SmallVector<Value> sizes = dimValues(frame, ArrayRef(dims).drop_back());
  RowBlocks rows(rowCount(op.getContext(), dims), dims.back());
  rows.forRows(frame, [&](Value row) {
    SmallVector<Value> index = unravel(k, row, sizes);
    Value from = x.at(k, index), to = k.mul(row, channels);
    Value angle = cosine.at(k, index);
    if (op.getInterleaved())
      emitPairs(from, to, angle);
    else
      emitHalves(from, to, angle);
    Value rotated = k.mul(half, k.ci64(2));
    k.forLanes(k.max(k.ci64(0), k.sub(channels, rotated)), [&](Value i, Value lanes) {
      Value at = k.add(rotated, i);
      k.vstore(elem, x.vload(k, from, at, lanes), out, k.add(to, at), lanes);
    });
  });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::ropeShape(KernelOp kernel) {
  SmallVector<DimExpr> dims = dimsOf(opOf<RopeOp>(kernel).getType());
  return RowBlocks(rowCount(kernel.getContext(), dims), dims.back()).launch();
}
LogicalResult lower::emitRope(KernelFrame &frame) { return RopeEmitter(frame).emit(); }
