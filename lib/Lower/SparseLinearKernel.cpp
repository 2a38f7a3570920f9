// Few elements of a matrix times activations, alone or beside a product on codes.
#include "FamilySupport.h"
#include "SparseDot.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

SparseDot::SparseDot(KernelFrame &frame, SparseLinearOp op) : k(frame.k) {
  SmallVector<DimExpr> dims = dimsOf(op.getValues().getType());
  auto pointer = [&](Value value) { // a single column is a constant of the body
    auto found = densePointer(frame, value);
    assert(succeeded(found) && "fusion leaves these operands dense");
    return *found;
  };
  x = pointer(op.getX());
  values = pointer(op.getValues());
  columns = pointer(op.getColumns());
  width = frame.dim(dimsOf(op.getX().getType()).back());
  last = k.sub(width, k.ci64(1));
  entries = frame.dim(dims[0]);
  outputs = frame.dim(dims[1]);
  elem = elemOfValue(op.getValues());
  shared = dimsOf(op.getColumns().getType()).size() == 1;
}

Value SparseDot::at(Value row, Value col, Value lanes) const {
  Value from = k.elemPtr(Elem::F32, x, k.mul(row, width));
  auto sum = k.forRange(entries, k.broadcast(k.cf32(0)), [&](Value r, ValueRange acc) {
    Value at = k.add(k.mul(r, outputs), col), chosen;
    // The smaller as unsigned numbers: no index reads beyond a row, whatever the file holds.
    if (shared) {
      Value column = k.minU(k.zextI64(k.load(Elem::I32, columns, r)), last);
      chosen = k.broadcast(k.load(Elem::F32, from, column));
    } else {
      Value column = k.zextI64(k.vload(Elem::I32, columns, at, lanes));
      chosen = k.vgather(Elem::F32, from, k.minU(column, k.broadcast(last)), lanes);
    }
    Value value = k.vload(elem, values, at, lanes);
    return KernelBuilder::Values{k.fma(chosen, value, acc[0])};
  });
  return sum[0];
}

FailureOr<LaunchShape> lower::sparseLinearShape(KernelOp kernel) {
  auto op = opOf<SparseLinearOp>(kernel);
  SmallVector<DimExpr> out = dimsOf(op.getType());
  DimExpr work = out.back() * dimsOf(op.getValues().getType())[0];
  return RowBlocks(rowCount(kernel.getContext(), out), work).launch();
}

LogicalResult lower::emitSparseLinear(KernelFrame &frame) {
  KernelBuilder &k = frame.k;
  auto op = opOf<SparseLinearOp>(frame.kernel);
  SparseDot dot(frame, op);
  SmallVector<DimExpr> out = dimsOf(op.getType());
  RowBlocks rows(rowCount(op.getContext(), out), out.back() * dimsOf(op.getValues().getType())[0]);
  Value n = frame.dim(out.back()), result = frame.resultPointer(0);
  rows.forRows(frame, [&](Value row) {
    Value base = k.mul(row, n);
    k.forLanes(n, [&](Value col, Value lanes) {
      k.vstore(Elem::F32, dot.at(row, col, lanes), result, k.add(base, col), lanes);
    });
  });
  return success();
}
