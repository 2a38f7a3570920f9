// Kernels that make or move elements in runs: concat, pad, iota.
#include "FamilySupport.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Elements of one concatenated row that one task copies.
constexpr int64_t concatChunk = 16384;

AroundAxis around(ConcatOp op) {
  return AroundAxis(op.getContext(), dimsOf(op.getType()), op.getAxis());
}

} // namespace

FailureOr<LaunchShape> lower::concatShape(KernelOp kernel) {
  auto op = opOf<ConcatOp>(kernel);
  MLIRContext *context = op.getContext();
  AroundAxis out = around(op);
  DimExpr row = out.size * out.inner, chunk = DimExpr::constant(context, concatChunk);
  LaunchShape shape;
  shape.tasks = out.outer * row.ceilDiv(chunk);
  shape.grain = chunk.ceilDiv(row.min(chunk) + 1);
  shape.scratchBytes = DimExpr::constant(context, 0);
  return shape;
}

/// The result as outer rows, each a run of every input; a task copies what lies in its chunk.
LogicalResult lower::emitConcat(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<ConcatOp>(frame.kernel);
  MLIRContext *context = op.getContext();
  AroundAxis out = around(op);
  DimExpr row = out.size * out.inner;
  Value length = frame.dim(row), size = k.ci64(concatChunk);
  Value chunks = frame.dim(row.ceilDiv(DimExpr::constant(context, concatChunk)));
  SmallVector<Value> pointers, runs;
  for (Value input : op.getInputs()) {
    FailureOr<Value> pointer = densePointer(frame, input);
    if (failed(pointer))
      return failure();
    pointers.push_back(*pointer);
    runs.push_back(frame.dim(dimsOf(input.getType())[op.getAxis()] * out.inner));
  }
  Elem elem = elemOfValue(op.getOut());
  Value result = frame.resultPointer(0);
  k.forTasks([&](Value task) {
    Value outer = k.divU(task, chunks), from = k.mul(k.remU(task, chunks), size);
    Value to = k.min(k.add(from, size), length), rowBase = k.mul(outer, length);
    Value start = k.ci64(0); // of the current input in the row
    for (auto [pointer, run] : llvm::zip(pointers, runs)) {
      Value end = k.add(start, run);
      Value first = k.max(from, start), last = k.min(to, end);
      Value source = k.add(k.mul(outer, run), k.sub(first, start));
      copyRun(k, elem, pointer, source, result, k.add(rowBase, first), k.sub(last, first));
      start = end;
    }
  });
  return success();
}

//===-- choose --------------------------------------------------------------------------------===//

FailureOr<LaunchShape> lower::chooseShape(KernelOp kernel) {
  auto op = opOf<ChooseOp>(kernel);
  MLIRContext *context = op.getContext();
  DimExpr count = elementCount(context, dimsOf(op.getType()));
  return LaunchShape{count.ceilDiv(DimExpr::constant(context, concatChunk)),
                     DimExpr::constant(context, 1), DimExpr::constant(context, 0)};
}

LogicalResult lower::emitChoose(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<ChooseOp>(frame.kernel);
  Value first = frame.dim(dimsOf(op.getWhich())[0]);
  Value count = frame.dim(elementCount(op.getContext(), dimsOf(op.getType())));
  FailureOr<Value> x = densePointer(frame, op.getX()), y = densePointer(frame, op.getY());
  if (failed(x) || failed(y))
    return failure();
  Value source = k.select(k.ne(first, k.ci64(0)), *x, *y), size = k.ci64(concatChunk);
  k.forTasks([&](Value task) {
    Value from = k.mul(task, size);
    copyRun(k, elemOfValue(op.getOut()), source, from, frame.resultPointer(0), from,
            k.min(size, k.sub(count, from)));
  });
  return success();
}

//===-- pad -----------------------------------------------------------------------------------===//

namespace {

/// Dimensions of a shape whose rows are its last axis; scalars are rows of one.
SmallVector<DimExpr> rowDims(Type type) {
  SmallVector<DimExpr> dims = dimsOf(type);
  if (dims.empty())
    dims.push_back(DimExpr::constant(type.getContext(), 1));
  return dims;
}

RowBlocks rowsOf(Type type) {
  SmallVector<DimExpr> dims = rowDims(type);
  return RowBlocks(rowCount(type.getContext(), dims), dims.back());
}

class PadEmitter {
public:
  explicit PadEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<PadOp>(frame.kernel)) {}
  LogicalResult emit();

private:
  Value source(Value index, Value size);
  void emitRow(Value row);
  void emitEdge(Value base, Value rowBase, Value from, Value to);

  KernelFrame &frame;
  KernelBuilder &k;
  PadOp op;
  Elem elem = Elem::I8;
  Value x, out, fill;
  SmallVector<Value> inSizes, outSizes, inStrides, low;
};

/// Where element `index` of a padded axis comes from, for the modes that read x.
Value PadEmitter::source(Value index, Value size) {
  Value zero = k.ci64(0), one = k.ci64(1);
  switch (op.getMode()) {
  case PadMode::constant:
    return index;
  case PadMode::edge:
    return k.max(zero, k.min(index, k.sub(size, one)));
  case PadMode::wrap: {
    Value r = k.rem(index, size);
    return k.select(k.lt(r, zero), k.add(r, size), r);
  }
  case PadMode::reflect:
    break;
  }
  // Mirrored without the edge: period 2 (n - 1), or the one element there is.
  Value period = k.max(one, k.mul(k.ci64(2), k.sub(size, one)));
  Value r = k.rem(index, period);
  r = k.select(k.lt(r, zero), k.add(r, period), r);
  return k.select(k.lt(r, size), r, k.sub(period, r));
}

/// The elements [from, to) of a row, which lie before or after those of x.
void PadEmitter::emitEdge(Value base, Value rowBase, Value from, Value to) {
  if (op.getMode() == PadMode::constant)
    return fillRun(k, elem, fill, out, k.add(rowBase, from), k.sub(to, from));
  k.forLoop(from, to, k.ci64(1), [&](Value j) {
    Value at = source(k.sub(j, low.back()), inSizes.back());
    k.store(elem, k.load(elem, x, k.add(base, at)), out, k.add(rowBase, j));
  });
}

void PadEmitter::emitRow(Value row) {
  size_t lead = outSizes.size() - 1;
  SmallVector<Value> index = unravel(k, row, ArrayRef(outSizes).drop_back());
  Value base = k.ci64(0), inside = k.ci1(true);
  for (size_t i = 0; i < lead; ++i) {
    Value at = k.sub(index[i], low[i]);
    inside = k.and_(inside, k.ltU(at, inSizes[i]));
    base = k.add(base, k.mul(source(at, inSizes[i]), inStrides[i]));
  }
  Value length = outSizes.back(), rowBase = k.mul(row, length), start = low.back();
  Value end = k.add(start, inSizes.back());
  auto whole = [&] {
    emitEdge(base, rowBase, k.ci64(0), start);
    copyRun(k, elem, x, base, out, k.add(rowBase, start), inSizes.back());
    emitEdge(base, rowBase, end, length);
  };
  if (op.getMode() == PadMode::constant)
    k.ifElse(inside, whole, [&] { fillRun(k, elem, fill, out, rowBase, length); });
  else
    whole();
}

LogicalResult PadEmitter::emit() {
  MLIRContext *context = op.getContext();
  auto pointer = densePointer(frame, op.getX()), value = densePointer(frame, op.getValue());
  if (failed(pointer) || failed(value))
    return failure();
  elem = copyElem(elemOfValue(op.getX()));
  x = *pointer;
  out = frame.resultPointer(0);
  SmallVector<DimExpr> in = rowDims(op.getX().getType()), lows = dimsOf(op.getLow());
  lows.resize(in.size(), DimExpr::constant(context, 0)); // a scalar has no paddings
  inSizes = dimValues(frame, in);
  outSizes = dimValues(frame, rowDims(op.getType()));
  inStrides = dimValues(frame, denseStrides(context, in));
  low = dimValues(frame, lows);
  RowBlocks rows = rowsOf(op.getType());
  frame.dim(rows.rows), frame.dim(rows.perTask);
  auto body = [&] { rows.forRows(frame, [&](Value row) { emitRow(row); }); };
  if (op.getMode() == PadMode::constant) {
    fill = k.load(elem, *value);
    body();
    return success();
  }
  // Other modes have nothing to read in an empty tensor.
  Value count = frame.dim(elementCount(context, in));
  Value wanted = frame.dim(elementCount(context, rowDims(op.getType())));
  Value empty = k.and_(k.eq(count, k.ci64(0)), k.ne(wanted, k.ci64(0)));
  k.faultIf(empty, QCC_FAULT_SHAPE);
  k.ifThen(k.not_(empty), body);
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::padShape(KernelOp kernel) {
  return rowsOf(opOf<PadOp>(kernel).getType()).launch();
}
LogicalResult lower::emitPad(KernelFrame &frame) { return PadEmitter(frame).emit(); }

//===-- iota ----------------------------------------------------------------------------------===//

namespace {

/// Rows of equal elements when the progression runs along an outer axis; otherwise each row is the
/// progression.
struct IotaPlan {
  DimExpr rows, length, size;
  bool isLast;

  explicit IotaPlan(IotaOp op) {
    MLIRContext *context = op.getContext();
    AroundAxis around(context, dimsOf(op.getType()), op.getAxis());
    isLast = around.inner.isConstant(1);
    size = around.size;
    rows = isLast ? around.outer : around.outer * around.size;
    length = isLast ? around.size : around.inner;
  }
  RowBlocks blocks() const { return RowBlocks(rows, length); }
};

} // namespace

FailureOr<LaunchShape> lower::iotaShape(KernelOp kernel) {
  return IotaPlan(opOf<IotaOp>(kernel)).blocks().launch();
}

LogicalResult lower::emitIota(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<IotaOp>(frame.kernel);
  IotaPlan plan(op);
  Elem elem = elemOfValue(op.getOut());
  Value start = frame.dim(dimsOf(op.getStart())[0]), step = k.ci64(op.getStep());
  Value length = frame.dim(plan.length), size = frame.dim(plan.size), out = frame.resultPointer(0);
  plan.blocks().forRows(frame, [&](Value row) {
    Value rowBase = k.mul(row, length);
    if (!plan.isLast) {
      Value value = k.add(start, k.mul(k.remU(row, size), step));
      return fillRun(k, elem, k.cast(value, Elem::I64, elem), out, rowBase, length);
    }
    k.forLanes(length, [&](Value i, Value lanes) {
      Value first = k.add(start, k.mul(i, step));
      Value values = k.add(k.mul(k.iota64(), step), first);
      k.vstore(elem, k.cast(values, Elem::I64, elem), out, k.add(rowBase, i), lanes);
    });
  });
  return success();
}
