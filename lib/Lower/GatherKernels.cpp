// Kernels that read by index: gather, gather_elements, gather_nd, qgather; and dequantize, which
// reads all rows.
#include "Dequantizer.h"
#include "FamilySupport.h"
#include "qcc/Algorithms/Pack.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Element `at` of an index tensor as i64.
Value loadIndex(KernelBuilder &k, Elem elem, Value pointer, Value at) {
  return k.toI64(k.load(elem, pointer, at));
}

/// One element, or a run of them.
void copySlice(KernelBuilder &k, Elem elem, DimExpr count, Value counted, Value src, Value from,
               Value dst, Value to) {
  Elem raw = copyElem(elem);
  if (count.isConstant(1))
    k.store(raw, k.load(raw, src, from), dst, to);
  else
    copyRun(k, elem, src, from, dst, to, counted);
}

} // namespace

//===-- gather --------------------------------------------------------------------------------===//

namespace {

struct GatherPlan {
  AroundAxis x;
  DimExpr indices;
  RowBlocks rows;

  explicit GatherPlan(GatherOp op)
      : x(op.getContext(), dimsOf(op.getX().getType()), op.getAxis()),
        indices(elementCount(op.getContext(), dimsOf(op.getIndices().getType()))),
        rows(x.outer * indices, x.inner) {}
};

} // namespace

FailureOr<LaunchShape> lower::gatherShape(KernelOp kernel) {
  return GatherPlan(opOf<GatherOp>(kernel)).rows.launch();
}

LogicalResult lower::emitGather(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<GatherOp>(frame.kernel);
  GatherPlan plan(op);
  auto x = densePointer(frame, op.getX()), indices = densePointer(frame, op.getIndices());
  if (failed(x) || failed(indices))
    return failure();
  Elem elem = elemOfValue(op.getX()), indexElem = elemOfValue(op.getIndices());
  Value size = frame.dim(plan.x.size), inner = frame.dim(plan.x.inner);
  Value count = frame.dim(plan.indices), out = frame.resultPointer(0);
  plan.rows.forRows(frame, [&](Value row) {
    bool single = plan.x.outer.isConstant(1);
    Value outer = single ? k.ci64(0) : k.divU(row, count), i = single ? row : k.remU(row, count);
    CheckedIndex at = checkIndex(k, loadIndex(k, indexElem, *indices, i), size);
    k.ifThen(at.good, [&] {
      Value from = k.mul(k.add(k.mul(outer, size), at.index), inner);
      copySlice(k, elem, plan.x.inner, inner, *x, from, out, k.mul(row, inner));
    });
  });
  return success();
}

//===-- gather_elements -----------------------------------------------------------------------===//

FailureOr<LaunchShape> lower::gatherElementsShape(KernelOp kernel) {
  SmallVector<DimExpr> dims = dimsOf(opOf<GatherElementsOp>(kernel).getType());
  return RowBlocks(rowCount(kernel.getContext(), dims), dims.back()).launch();
}

LogicalResult lower::emitGatherElements(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<GatherElementsOp>(frame.kernel);
  MLIRContext *context = op.getContext();
  auto x = densePointer(frame, op.getX()), indices = densePointer(frame, op.getIndices());
  if (failed(x) || failed(indices))
    return failure();
  SmallVector<DimExpr> dims = dimsOf(op.getType()), from = dimsOf(op.getX().getType());
  SmallVector<Value> sizes = dimValues(frame, dims);
  SmallVector<Value> strides = dimValues(frame, denseStrides(context, from));
  int64_t axis = op.getAxis(), last = dims.size() - 1;
  Value size = frame.dim(from[axis]), out = frame.resultPointer(0);
  Elem raw = copyElem(elemOfValue(op.getX())), indexElem = elemOfValue(op.getIndices());
  // Other axes of the indices may be shorter than those of x, not longer.
  Value fits = k.ci1(true);
  for (auto [i, pair] : llvm::enumerate(llvm::zip(dims, from)))
    if (int64_t(i) != axis && std::get<0>(pair) != std::get<1>(pair))
      fits = k.and_(fits, k.le(sizes[i], frame.dim(std::get<1>(pair))));
  k.faultIf(k.not_(fits), QCC_FAULT_SHAPE);
  RowBlocks rows(rowCount(context, dims), dims.back());
  frame.dim(rows.rows), frame.dim(rows.perTask);
  k.ifThen(fits, [&] {
    rows.forRows(frame, [&](Value row) {
      SmallVector<Value> index = unravel(k, row, ArrayRef(sizes).drop_back());
      Value base = k.ci64(0), rowBase = k.mul(row, sizes[last]);
      for (int64_t i = 0; i < last; ++i)
        if (i != axis)
          base = k.add(base, k.mul(index[i], strides[i]));
      k.forRange(sizes[last], [&](Value j) {
        Value to = k.add(rowBase, j);
        CheckedIndex at = checkIndex(k, loadIndex(k, indexElem, *indices, to), size);
        k.ifThen(at.good, [&] {
          Value source = k.add(base, k.mul(at.index, strides[axis]));
          if (axis != last)
            source = k.add(source, j);
          k.store(raw, k.load(raw, *x, source), out, to);
        });
      });
    });
  });
  return success();
}

//===-- gather_nd -----------------------------------------------------------------------------===//

namespace {

struct GatherNdPlan {
  SmallVector<DimExpr> x; ///< without batch axes
  DimExpr tuples, perBatch, run;
  int64_t tuple = -1;

  static FailureOr<GatherNdPlan> build(GatherNdOp op) {
    MLIRContext *context = op.getContext();
    GatherNdPlan plan;
    SmallVector<DimExpr> indices = dimsOf(op.getIndices().getType());
    auto tuple = indices.back().constantValue();
    assert(tuple && "the verifier asks for a constant");
    plan.tuple = *tuple;
    SmallVector<DimExpr> all = dimsOf(op.getX().getType());
    plan.x.assign(all.begin() + op.getBatchDims(), all.end());
    plan.tuples = elementCount(context, ArrayRef(indices).drop_back());
    plan.perBatch =
        elementCount(context, ArrayRef(indices).drop_back().drop_front(op.getBatchDims()));
    plan.run = elementCount(context, ArrayRef(plan.x).drop_front(plan.tuple));
    return plan;
  }
  RowBlocks rows() const { return RowBlocks(tuples, run); }
};

} // namespace

FailureOr<LaunchShape> lower::gatherNdShape(KernelOp kernel) {
  auto plan = GatherNdPlan::build(opOf<GatherNdOp>(kernel));
  if (failed(plan))
    return failure();
  return plan->rows().launch();
}

LogicalResult lower::emitGatherNd(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<GatherNdOp>(frame.kernel);
  auto plan = GatherNdPlan::build(op);
  auto x = densePointer(frame, op.getX()), indices = densePointer(frame, op.getIndices());
  if (failed(plan) || failed(x) || failed(indices))
    return failure();
  MLIRContext *context = op.getContext();
  SmallVector<Value> sizes = dimValues(frame, plan->x);
  SmallVector<Value> strides = dimValues(frame, denseStrides(context, plan->x));
  Value batchSize = frame.dim(elementCount(context, plan->x)), perBatch = frame.dim(plan->perBatch);
  Value run = frame.dim(plan->run), out = frame.resultPointer(0);
  Elem elem = elemOfValue(op.getX()), indexElem = elemOfValue(op.getIndices());
  plan->rows().forRows(frame, [&](Value row) {
    Value from = op.getBatchDims() ? k.mul(k.divU(row, perBatch), batchSize) : k.ci64(0);
    Value good = k.ci1(true), first = k.mul(row, k.ci64(plan->tuple));
    for (int64_t j = 0; j < plan->tuple; ++j) {
      Value index = loadIndex(k, indexElem, *indices, k.add(first, k.ci64(j)));
      CheckedIndex at = checkIndex(k, index, sizes[j]);
      good = k.and_(good, at.good);
      from = k.add(from, k.mul(at.index, strides[j]));
    }
    k.ifThen(good, [&] { copySlice(k, elem, plan->run, run, *x, from, out, k.mul(row, run)); });
  });
  return success();
}

//===-- qgather -------------------------------------------------------------------------------===//

namespace {

RowBlocks qgatherRows(QGatherOp op) {
  return RowBlocks(elementCount(op.getContext(), dimsOf(op.getIndices().getType())),
                   dimsOf(op.getTable().getType())[1]);
}

/// Where the 16 elements of a row from column `i` on are, from the panel's start on: k in
/// k * 16 + n mod 16, in pairs k / 2 * 32 + n mod 16 * 2 + k mod 2.
Value elementsInPanel(KernelBuilder &k, Layout layout, Value output, Value i) {
  Value column = k.add(k.iota64(), i), panel = k.ci64(kPanel);
  if (layout == Layout::panel16_f32)
    return k.add(k.mul(column, panel), output);
  Value within = k.and_(column, k.ci64(1));
  Value first = k.mul(k.sub(column, within), panel);
  return k.add(k.add(first, within), k.mul(output, k.ci64(2)));
}

/// Rows of floats in panels of 16.
LogicalResult emitPanelRows(KernelFrame &frame, QGatherOp op, Value table, Value indices) {
  KernelBuilder &k = frame.k;
  Elem from = storageElem(op.getTable().getType().getStorage()), to = elemOfValue(op.getOut());
  SmallVector<DimExpr> dims = dimsOf(op.getTable().getType());
  Value size = frame.dim(dims[0]), columns = frame.dim(dims[1]), out = frame.resultPointer(0);
  Elem indexElem = elemOfValue(op.getIndices());
  Layout layout = op.getTable().getType().getLayout();
  Value panel = k.ci64(kPanel), depth = columns;
  if (layout == Layout::panel16_k2)
    depth = k.and_(k.add(columns, k.ci64(1)), k.ci64(-2));
  qgatherRows(op).forRows(frame, [&](Value i) {
    CheckedIndex at = checkIndex(k, loadIndex(k, indexElem, indices, i), size);
    k.ifThen(at.good, [&] {
      Value first = k.mul(k.mul(k.divU(at.index, panel), depth), panel);
      Value base = k.elemPtr(from, table, first), output = k.remU(at.index, panel);
      Value target = k.elemPtr(to, out, k.mul(i, columns));
      k.forLanes(columns, [&](Value j, Value lanes) {
        Value values = k.vgather(from, base, elementsInPanel(k, layout, output, j), lanes);
        k.vstore(to, values, target, j, lanes);
      });
    });
  });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::qgatherShape(KernelOp kernel) {
  return qgatherRows(opOf<QGatherOp>(kernel)).launch();
}

LogicalResult lower::emitQGather(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<QGatherOp>(frame.kernel);
  auto table = dyn_cast<BlockArgument>(op.getTable());
  auto indices = densePointer(frame, op.getIndices());
  if (!table || failed(indices))
    return refuse(op, "the table is not an operand of the kernel");
  if (holdsReals(op.getTable().getType()))
    return emitPanelRows(frame, op, frame.pointer(table), *indices);
  if (!Dequantizer::reads(op.getTable().getType()))
    return refuse(op, "there is no kernel that reads rows of " + valueText(op.getTable()));
  Elem outElem = elemOfValue(op.getOut());
  Dequantizer rows(frame, op.getTable().getType(), frame.pointer(table), outElem);
  SmallVector<DimExpr> dims = dimsOf(op.getTable().getType());
  Value size = frame.dim(dims[0]), columns = frame.dim(dims[1]), out = frame.resultPointer(0);
  Elem indexElem = elemOfValue(op.getIndices());
  qgatherRows(op).forRows(frame, [&](Value i) {
    CheckedIndex at = checkIndex(k, loadIndex(k, indexElem, *indices, i), size);
    k.ifThen(at.good, [&] { rows.emit(at.index, k.elemPtr(outElem, out, k.mul(i, columns))); });
  });
  return success();
}

//===-- dequantize ----------------------------------------------------------------------------===//

static RowBlocks dequantizeRows(DequantizeOp op) {
  SmallVector<DimExpr> dims = dimsOf(op.getX().getType());
  return RowBlocks(rowCount(op.getContext(), dims), dims.back());
}

FailureOr<LaunchShape> lower::dequantizeShape(KernelOp kernel) {
  auto op = opOf<DequantizeOp>(kernel);
  if (dimsOf(op.getX().getType()).empty())
    return refuse(op, "a single number has no rows");
  return dequantizeRows(op).launch();
}

LogicalResult lower::emitDequantize(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<DequantizeOp>(frame.kernel);
  QType type = op.getX().getType();
  auto x = dyn_cast<BlockArgument>(op.getX());
  if (!x || !Dequantizer::reads(type))
    return refuse(op, "there is no kernel that reads rows of " + valueText(op.getX()));
  Elem elem = elemOfValue(op.getOut());
  Dequantizer rows(frame, type, frame.pointer(x), elem);
  Value columns = frame.dim(dimsOf(type).back()), out = frame.resultPointer(0);
  RowBlocks blocks = dequantizeRows(op);
  frame.dim(blocks.rows), frame.dim(blocks.perTask);
  blocks.forRows(frame, [&](Value i) { rows.emit(i, k.elemPtr(elem, out, k.mul(i, columns))); });
  return success();
}
