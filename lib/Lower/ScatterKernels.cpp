// Kernels that write by index: scatter_nd, scatter_elements. Updates that meet in one element go in
// order, so one task does them all.
#include "FamilySupport.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// How `update` meets `old`.
Value combine(KernelBuilder &k, ScatterKind kind, Elem elem, Value old, Value update) {
  bool isUnsigned = elem == Elem::U32 || elem == Elem::U64; // narrower ones are non-negative i32
  auto less = [&](Value x, Value y) { return isUnsigned ? k.ltU(x, y) : k.lt(x, y); };
  switch (kind) {
  case ScatterKind::set:
    return update;
  case ScatterKind::add:
    return k.add(old, update);
  case ScatterKind::mul:
    return k.mul(old, update);
  case ScatterKind::max:
    return k.select(less(old, update), update, old);
  case ScatterKind::min:
    return k.select(less(update, old), update, old);
  }
  return update;
}

/// What both ops share: the result starts as x and is then changed in place.
struct ScatterTarget {
  KernelBuilder &k;
  ScatterKind kind;
  Elem elem;
  Value updates, out;

  void apply(Value to, Value from) const {
    // Where nothing is computed, bits move.
    Elem as = kind == ScatterKind::set ? copyElem(elem) : elem == Elem::Bool ? Elem::U8 : elem;
    Value update = k.load(as, updates, from);
    Value old = kind == ScatterKind::set ? update : k.load(as, out, to);
    k.store(as, combine(k, kind, as, old, update), out, to);
  }
};

FailureOr<ScatterTarget> makeTarget(KernelFrame &frame, Value x, Value updates, ScatterKind kind) {
  auto from = densePointer(frame, x), changes = densePointer(frame, updates);
  if (failed(from) || failed(changes))
    return failure();
  Elem elem = elemOfValue(x);
  ScatterTarget target = {frame.k, kind, elem, *changes, frame.resultPointer(0)};
  Value zero = frame.k.ci64(0);
  Value count = frame.dim(elementCount(x.getContext(), dimsOf(x.getType())));
  // A launch of no task does nothing; there is one, [0, 1).
  copyRun(frame.k, elem, *from, zero, target.out, zero, count);
  return target;
}

} // namespace

FailureOr<LaunchShape> lower::scatterShape(KernelOp kernel) {
  return singleTask(kernel.getContext());
}

LogicalResult lower::emitScatterNd(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<ScatterNdOp>(frame.kernel);
  MLIRContext *context = op.getContext();
  SmallVector<DimExpr> x = dimsOf(op.getX().getType()), tuples = dimsOf(op.getIndices().getType());
  auto tuple = tuples.back().constantValue();
  assert(tuple && "the verifier asks for a constant");
  auto indices = densePointer(frame, op.getIndices());
  auto target = makeTarget(frame, op.getX(), op.getUpdates(), op.getKind());
  if (failed(indices) || failed(target))
    return failure();
  Elem indexElem = elemOfValue(op.getIndices());
  SmallVector<Value> sizes = dimValues(frame, x);
  SmallVector<Value> strides = dimValues(frame, denseStrides(context, x));
  Value run = frame.dim(elementCount(context, ArrayRef(x).drop_front(*tuple)));
  Value count = frame.dim(elementCount(context, ArrayRef(tuples).drop_back()));
  k.forRange(count, [&](Value i) {
    Value good = k.ci1(true), to = k.ci64(0);
    for (int64_t j = 0; j < *tuple; ++j) {
      Value at = k.add(k.mul(i, k.ci64(*tuple)), k.ci64(j));
      CheckedIndex index = checkIndex(k, k.toI64(k.load(indexElem, *indices, at)), sizes[j]);
      good = k.and_(good, index.good);
      to = k.add(to, k.mul(index.index, strides[j]));
    }
    k.ifThen(good, [&] {
      k.forRange(run, [&](Value j) { target->apply(k.add(to, j), k.add(k.mul(i, run), j)); });
    });
  });
  return success();
}

LogicalResult lower::emitScatterElements(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<ScatterElementsOp>(frame.kernel);
  MLIRContext *context = op.getContext();
  SmallVector<DimExpr> x = dimsOf(op.getX().getType()), dims = dimsOf(op.getIndices().getType());
  auto indices = densePointer(frame, op.getIndices());
  auto target = makeTarget(frame, op.getX(), op.getUpdates(), op.getKind());
  if (failed(indices) || failed(target))
    return failure();
  Elem indexElem = elemOfValue(op.getIndices());
  int64_t axis = op.getAxis();
  SmallVector<Value> sizes = dimValues(frame, dims), limits = dimValues(frame, x);
  SmallVector<Value> strides = dimValues(frame, denseStrides(context, x));
  Value fits = k.ci1(true);
  for (size_t i = 0; i < dims.size(); ++i)
    if (int64_t(i) != axis && dims[i] != x[i])
      fits = k.and_(fits, k.le(sizes[i], limits[i]));
  k.faultIf(k.not_(fits), QCC_FAULT_SHAPE);
  Value count = frame.dim(elementCount(context, dims));
  k.ifThen(fits, [&] {
    k.forRange(count, [&](Value i) {
      SmallVector<Value> index = unravel(k, i, sizes);
      CheckedIndex at = checkIndex(k, k.toI64(k.load(indexElem, *indices, i)), limits[axis]);
      k.ifThen(at.good, [&] {
        index[axis] = at.index;
        Value to = k.ci64(0);
        for (auto [coordinate, stride] : llvm::zip(index, strides))
          to = k.add(to, k.mul(coordinate, stride));
        target->apply(to, i);
      });
    });
  });
  return success();
}
