// Kernels that walk an axis in order: arg_reduce, cum_sum, top_k, non_zero.
#include "FamilySupport.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Whether `a` comes before `b` in descending (ascending) order; NaN counts as the largest.
Value precedes(KernelBuilder &k, Elem elem, bool descending, Value a, Value b) {
  if (!descending)
    std::swap(a, b);
  if (!elemIsFloat(elem))
    return elem == Elem::U32 || elem == Elem::U64 ? k.ltU(b, a) : k.gt(a, b);
  return k.or_(k.gt(a, b), k.and_(k.isNan(a), k.not_(k.isNan(b))));
}

/// i1 orders as 0 < 1.
Elem orderElem(Elem elem) { return elem == Elem::Bool ? Elem::U8 : elem; }

/// The axis of an op as rows with a stride: row r starts at outer * size * inner + r mod inner.
struct AxisRows {
  AroundAxis around;
  RowBlocks rows;
  Value size, inner;

  AxisRows(MLIRContext *context, Type type, int64_t axis)
      : around(context, dimsOf(type), axis), rows(around.outer * around.inner, around.size) {}
  void bind(KernelFrame &frame) {
    size = frame.dim(around.size);
    inner = frame.dim(around.inner);
    frame.dim(rows.rows), frame.dim(rows.perTask);
  }
  std::pair<Value, Value> split(KernelBuilder &k, Value row) const {
    if (around.inner.isConstant(1))
      return {row, k.ci64(0)};
    return {k.divU(row, inner), k.remU(row, inner)};
  }
  Value start(KernelBuilder &k, Value row, Value length) const {
    auto [outer, rest] = split(k, row);
    return k.add(k.mul(k.mul(outer, length), inner), rest);
  }
};

/// Number of `value` among the kernel's results, or -1: results that nobody reads are dropped.
int resultNumber(KernelFrame &frame, Value value) {
  for (OpOperand &operand : frame.yield()->getOpOperands())
    if (operand.get() == value)
      return operand.getOperandNumber();
  return -1;
}

} // namespace

//===-- arg_reduce ----------------------------------------------------------------------------===//

FailureOr<LaunchShape> lower::argReduceShape(KernelOp kernel) {
  auto op = opOf<ArgReduceOp>(kernel);
  return AxisRows(op.getContext(), op.getX().getType(), op.getAxis()).rows.launch();
}

LogicalResult lower::emitArgReduce(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<ArgReduceOp>(frame.kernel);
  auto x = densePointer(frame, op.getX());
  if (failed(x))
    return failure();
  AxisRows axis(op.getContext(), op.getX().getType(), op.getAxis());
  axis.bind(frame);
  Elem elem = orderElem(elemOfValue(op.getX()));
  Value out = frame.resultPointer(0), empty = k.eq(axis.size, k.ci64(0));
  k.faultIf(empty, QCC_FAULT_SHAPE);
  k.ifThen(k.not_(empty), [&] {
    axis.rows.forRows(frame, [&](Value row) {
      Value base = axis.start(k, row, axis.size);
      SmallVector<Value> init = {k.load(elem, *x, base), k.ci64(0)};
      auto best = k.forLoop(k.ci64(1), axis.size, k.ci64(1), init, [&](Value j, ValueRange c) {
        Value value = k.load(elem, *x, k.add(base, k.mul(j, axis.inner)));
        Value better = precedes(k, elem, !op.getMinimum(), value, c[0]);
        if (op.getSelectLast())
          better = k.or_(better, k.not_(precedes(k, elem, !op.getMinimum(), c[0], value)));
        return KernelBuilder::Values{k.select(better, value, c[0]), k.select(better, j, c[1])};
      });
      k.store(Elem::I64, best[1], out, row);
    });
  });
  return success();
}

//===-- cum_sum -------------------------------------------------------------------------------===//

FailureOr<LaunchShape> lower::cumSumShape(KernelOp kernel) {
  auto op = opOf<CumSumOp>(kernel);
  return AxisRows(op.getContext(), op.getX().getType(), op.getAxis()).rows.launch();
}

LogicalResult lower::emitCumSum(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<CumSumOp>(frame.kernel);
  auto x = densePointer(frame, op.getX());
  if (failed(x))
    return failure();
  AxisRows axis(op.getContext(), op.getX().getType(), op.getAxis());
  axis.bind(frame);
  Elem elem = elemOfValue(op.getX());
  Value out = frame.resultPointer(0), last = k.sub(axis.size, k.ci64(1));
  axis.rows.forRows(frame, [&](Value row) {
    Value base = axis.start(k, row, axis.size);
    k.forRange(axis.size, {k.constant(k.computeType(elem), 0)}, [&](Value j, ValueRange c) {
      Value along = op.getReverse() ? k.sub(last, j) : j;
      Value at = k.add(base, k.mul(along, axis.inner));
      Value next = k.add(c[0], k.load(elem, *x, at));
      k.store(elem, op.getExclusive() ? c[0] : next, out, at);
      return KernelBuilder::Values{next};
    });
  });
  return success();
}

//===-- top_k ---------------------------------------------------------------------------------===//

namespace {

/// The k best elements so far as a heap with the worst on top, in scratch: values, then indices.
class TopKEmitter {
public:
  explicit TopKEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<TopKOp>(frame.kernel)),
        axis(op.getContext(), op.getX().getType(), op.getAxis()) {}
  LogicalResult emit();

private:
  struct Entry {
    Value value, index;
  };
  Entry entry(Value at) { return {k.load(elem, k.scratch(), at), k.load(Elem::I64, indices, at)}; }
  void put(Value at, Entry e) {
    k.store(elem, e.value, k.scratch(), at);
    k.store(Elem::I64, e.index, indices, at);
  }
  /// Whether a comes before b: by value, equal ones by index.
  Value before(Entry a, Entry b) {
    bool largest = op.getLargest();
    Value notAfter = k.not_(precedes(k, elem, largest, b.value, a.value));
    return k.or_(precedes(k, elem, largest, a.value, b.value),
                 k.and_(notAfter, k.lt(a.index, b.index)));
  }
  void siftDown(Value start, Value size, Entry e);
  void emitRow(Value row);

  KernelFrame &frame;
  KernelBuilder &k;
  TopKOp op;
  AxisRows axis;
  Elem elem = Elem::F32;
  Value x, count, indices;
};

/// Puts `e` into the heap of `size` entries at `start` or below, where entries worse than it rise.
void TopKEmitter::siftDown(Value start, Value size, Entry e) {
  SmallVector<Value> init = {start, k.ci1(true)};
  auto end = k.whileLoop(
      init, [&](ValueRange c) { return c[1]; },
      [&](ValueRange c) {
        Value child = k.add(k.mul(c[0], k.ci64(2)), k.ci64(1)), hole = c[0];
        Type types[] = {k.i64(), k.i1()};
        return k.ifElse(
            k.lt(child, size), types,
            [&] {
              Value next = k.min(k.add(child, k.ci64(1)), k.sub(size, k.ci64(1)));
              Entry a = entry(child), b = entry(next);
              Value takeNext = before(a, b);
              Entry worst = {k.select(takeNext, b.value, a.value),
                             k.select(takeNext, b.index, a.index)};
              Value rises = before(e, worst);
              k.ifThen(rises, [&] { put(hole, worst); });
              Value at = k.select(takeNext, next, child);
              return KernelBuilder::Values{k.select(rises, at, hole), rises};
            },
            [&] { return KernelBuilder::Values{hole, k.ci1(false)}; });
      });
  put(end[0], e);
}

void TopKEmitter::emitRow(Value row) {
  Value base = axis.start(k, row, axis.size), one = k.ci64(1), zero = k.ci64(0);
  auto load = [&](Value j) { return Entry{k.load(elem, x, k.add(base, k.mul(j, axis.inner))), j}; };
  k.forRange(count, [&](Value j) { put(j, load(j)); });
  Value parents = k.divU(count, k.ci64(2));
  k.forRange(parents, [&](Value j) {
    Value at = k.sub(k.sub(parents, one), j);
    siftDown(at, count, entry(at));
  });
  k.forLoop(count, axis.size, one, [&](Value j) {
    Entry e = load(j);
    k.ifThen(before(e, entry(zero)), [&] { siftDown(zero, count, e); });
  });
  Value out = axis.start(k, row, count);
  int values = resultNumber(frame, op.getValues()), places = resultNumber(frame, op.getIndices());
  k.forRange(count, [&](Value j) {
    Value last = k.sub(k.sub(count, one), j), to = k.add(out, k.mul(last, axis.inner));
    Entry worst = entry(zero), moved = entry(last);
    if (values >= 0)
      k.store(elem, worst.value, frame.resultPointer(values), to);
    if (places >= 0)
      k.store(Elem::I64, worst.index, frame.resultPointer(places), to);
    siftDown(zero, last, moved);
  });
}

LogicalResult TopKEmitter::emit() {
  auto pointer = densePointer(frame, op.getX());
  if (failed(pointer))
    return failure();
  x = *pointer;
  axis.bind(frame);
  elem = orderElem(elemOfValue(op.getX()));
  count = frame.dim(dimsOf(op.getValues().getType())[op.getAxis()]);
  indices = k.bytePtr(k.scratch(), k.mul(count, k.ci64(8)));
  Value tooMany = k.gt(count, axis.size);
  k.faultIf(tooMany, QCC_FAULT_SHAPE);
  Value works = k.and_(k.not_(tooMany), k.gt(count, k.ci64(0)));
  k.ifThen(works, [&] { axis.rows.forRows(frame, [&](Value row) { emitRow(row); }); });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::topKShape(KernelOp kernel) {
  auto op = opOf<TopKOp>(kernel);
  LaunchShape shape = AxisRows(op.getContext(), op.getX().getType(), op.getAxis()).rows.launch();
  shape.scratchBytes = dimsOf(op.getValues().getType())[op.getAxis()] * 16 + 16;
  return shape;
}
LogicalResult lower::emitTopK(KernelFrame &frame) { return TopKEmitter(frame).emit(); }

//===-- non_zero ------------------------------------------------------------------------------===//

namespace {

/// Calls `found(i, j, is)` for every element of `tensor` at x: row-major index, non-zero ones
/// before it, and whether it is one. Gives their number.
Value forNonZero(KernelFrame &frame, Value operand, Value x,
                 llvm::function_ref<void(Value, Value, Value)> found) {
  KernelBuilder &k = frame.k;
  Elem elem = orderElem(elemOfValue(operand));
  Value zero = k.constant(k.computeType(elem), 0);
  Value total = frame.dim(elementCount(operand.getContext(), dimsOf(operand.getType())));
  return k.forRange(total, {k.ci64(0)}, [&](Value i, ValueRange c) {
    Value is = k.ne(k.load(elem, x, i), zero);
    found(i, c[0], is);
    return KernelBuilder::Values{k.add(c[0], k.toI64(is))};
  })[0];
}

} // namespace

FailureOr<LaunchShape> lower::nonZeroShape(KernelOp kernel) {
  return singleTask(kernel.getContext());
}

LogicalResult lower::emitNonZeroCount(KernelFrame &frame) {
  auto op = opOf<NonZeroCountOp>(frame.kernel);
  auto x = densePointer(frame, op.getX());
  if (failed(x))
    return failure();
  Value count = forNonZero(frame, op.getX(), *x, [](Value, Value, Value) {});
  frame.k.store(Elem::I64, count, frame.resultPointer(0));
  return success();
}

LogicalResult lower::emitNonZero(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<NonZeroOp>(frame.kernel);
  auto x = densePointer(frame, op.getX());
  if (failed(x))
    return failure();
  SmallVector<Value> sizes = dimValues(frame, dimsOf(op.getX().getType()));
  Value room = frame.dim(dimsOf(op.getType())[1]), out = frame.resultPointer(0);
  Value count = forNonZero(frame, op.getX(), *x, [&](Value i, Value j, Value is) {
    k.ifThen(k.and_(is, k.lt(j, room)), [&] {
      SmallVector<Value> index = unravel(k, i, sizes);
      if (index.empty())
        index.push_back(k.ci64(0));
      for (auto [r, coordinate] : llvm::enumerate(index))
        k.store(Elem::I64, coordinate, out, k.add(k.mul(k.ci64(r), room), j));
    });
  });
  k.faultIf(k.ne(count, room), QCC_FAULT_SHAPE);
  return success();
}
