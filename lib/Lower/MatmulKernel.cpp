// Products of two activations, batched with broadcasting leading axes. A task is a batch index, a
// block of columns, which it packs into scratch, and a block of rows.
#include "FamilySupport.h"
#include "PackedProduct.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Rows that share one packed block of columns.
constexpr int64_t rowChunk = 128;

struct MatmulPlan {
  SmallVector<DimExpr> batch; ///< broadcast leading axes
  DimExpr m, n, k, rowChunks, columnChunks;
  Elem elem;

  explicit MatmulPlan(MatmulOp op) : elem(elemOfValue(op.getX())) {
    MLIRContext *context = op.getContext();
    SmallVector<DimExpr> out = dimsOf(op.getType());
    n = out.pop_back_val();
    m = out.pop_back_val();
    k = dimsOf(op.getX().getType()).back();
    batch = out;
    rowChunks = m.ceilDiv(DimExpr::constant(context, rowChunk));
    columnChunks = n.ceilDiv(DimExpr::constant(context, packedColumns));
  }
};

} // namespace

FailureOr<LaunchShape> lower::matmulShape(KernelOp kernel) {
  auto op = opOf<MatmulOp>(kernel);
  MLIRContext *context = op.getContext();
  MatmulPlan plan(op);
  LaunchShape shape;
  shape.tasks = elementCount(context, plan.batch) * plan.columnChunks * plan.rowChunks;
  DimExpr work = plan.m.min(DimExpr::constant(context, rowChunk)) * plan.k;
  shape.grain = DimExpr::constant(context, 4096).ceilDiv(work + 1);
  shape.scratchBytes = packedBytes(plan.elem, plan.k);
  return shape;
}

namespace {

class MatmulEmitter {
public:
  explicit MatmulEmitter(KernelFrame &frame)
      : frame(frame), k(frame.k), op(opOf<MatmulOp>(frame.kernel)), plan(op) {}
  LogicalResult emit();

private:
  void pack(Value base, Value n, Value columns);
  void packRows(Value base, Value n, Value columns);
  void packColumns(Value base, Value n, Value columns);

  KernelFrame &frame;
  KernelBuilder &k;
  MatmulOp op;
  MatmulPlan plan;
  Operand x, y;
  Value depth;
};

/// pack[k][j] = y[k][n + j]; columns that do not exist hold anything.
void MatmulEmitter::pack(Value base, Value n, Value columns) {
  if (op.getTransposeY())
    packColumns(base, n, columns);
  else
    packRows(base, n, columns);
}

void MatmulEmitter::packRows(Value base, Value n, Value columns) {
  Elem compute = computeElem(plan.elem);
  Value stride = y.strides[y.strides.size() - 2];
  auto row = [&](Value kk, Value i, Value lanes) {
    Value v = y.vload(k, k.add(base, k.mul(kk, stride)), k.add(n, i), lanes);
    return k.cast(v, plan.elem, compute);
  };
  auto packEach = [&](Value steps, llvm::function_ref<Value(Value, Value, Value)> packed) {
    k.forRange(steps, [&](Value kk) {
      Value to = k.mul(kk, k.ci64(packedColumns));
      k.forLanes(columns, [&](Value i, Value lanes) {
        k.vstore(compute, packed(kk, i, lanes), k.scratch(), k.add(to, i));
      });
    });
  };
  if (!goesInPairs(plan.elem))
    return packEach(depth, row);
  packEach(k.ceilDiv(depth, k.ci64(2)), [&](Value pair, Value i, Value lanes) {
    Value first = k.mul(pair, k.ci64(2)), second = k.add(first, k.ci64(1));
    Value exists = k.lt(second, depth);
    Value high = row(k.select(exists, second, first), i, lanes);
    high = k.mul(high, k.broadcast(k.select(exists, k.ci32(1 << 16), k.ci32(0))));
    return k.or_(k.and_(row(first, i, lanes), k.ci32(0xffff)), high);
  });
}

void MatmulEmitter::packColumns(Value base, Value n, Value columns) {
  Elem compute = computeElem(plan.elem);
  Value stride = y.strides[y.strides.size() - 2], last = k.sub(columns, k.ci64(1));
  for (int64_t half = 0; half < 2; ++half) {
    SmallVector<Value> rows;
    for (int64_t r = 0; r < kLanes; ++r) {
      Value column = k.min(k.ci64(half * kLanes + r), last);
      rows.push_back(k.add(base, k.mul(k.add(n, column), stride)));
    }
    Value dst = k.elemPtr(compute, k.scratch(), k.ci64(half * kLanes));
    k.ifThen(k.gt(columns, k.ci64(half * kLanes)), [&] {
      if (!goesInPairs(plan.elem))
        return packTransposed16(k, compute, depth, dst, packedColumns,
                                [&](int64_t r, Value d, Value lanes) {
                                  return k.cast(y.vload(k, rows[r], d, lanes), plan.elem, compute);
                                });
      Value pairs = k.divU(depth, k.ci64(2));
      packTransposed16(k, compute, pairs, dst, packedColumns, [&](int64_t r, Value d, Value lanes) {
        return k.vload(Elem::I32, k.elemPtr(plan.elem, y.pointer, rows[r]), d, lanes);
      });
      k.ifThen(k.ne(k.remU(depth, k.ci64(2)), k.ci64(0)), [&] {
        for (int64_t r = 0; r < kLanes; ++r) {
          Value at = k.add(rows[r], k.sub(depth, k.ci64(1)));
          Value alone = k.and_(k.load(plan.elem, y.pointer, at), k.ci32(0xffff));
          k.store(compute, alone, dst, k.add(k.mul(pairs, k.ci64(packedColumns)), k.ci64(r)));
        }
      });
    });
  }
}

LogicalResult MatmulEmitter::emit() {
  MLIRContext *context = op.getContext();
  SmallVector<DimExpr> xDims = plan.batch, yDims = plan.batch;
  xDims.append({plan.m, plan.k});
  if (op.getTransposeY())
    yDims.append({plan.n, plan.k});
  else
    yDims.append({plan.k, plan.n});
  auto left = operandOf(frame, op.getX(), xDims), right = operandOf(frame, op.getY(), yDims);
  if (failed(left) || failed(right))
    return failure();
  x = *left;
  y = *right;
  if (!plan.k.isConstant(1) && x.known.back() != 1)
    return refuse(op, "rows of the first factor are not contiguous");
  bool readsPairs = goesInPairs(plan.elem) && op.getTransposeY();
  if (readsPairs && !plan.k.isConstant(1) && y.known.back() != 1)
    return refuse(op, "rows of the second factor are not contiguous");
  SmallVector<Value> batch = dimValues(frame, plan.batch);
  Value m = frame.dim(plan.m), n = frame.dim(plan.n);
  Value rowChunks = frame.dim(plan.rowChunks), columnChunks = frame.dim(plan.columnChunks);
  depth = frame.dim(plan.k);
  frame.dim(elementCount(context, plan.batch));
  Value out = frame.resultPointer(0);
  Elem outElem = elemOfValue(op.getOut());
  k.forTasks([&](Value task) {
    Value rowBlock = k.remU(task, rowChunks), rest = k.divU(task, rowChunks);
    Value n0 = k.mul(k.remU(rest, columnChunks), k.ci64(packedColumns));
    Value matrix = k.divU(rest, columnChunks), m0 = k.mul(rowBlock, k.ci64(rowChunk));
    SmallVector<Value> index = unravel(k, matrix, batch);
    Value columns = k.min(k.ci64(packedColumns), k.sub(n, n0));
    pack(y.at(k, index), n0, columns);
    Value rowStride = x.strides[x.strides.size() - 2];
    Value a = k.elemPtr(x.elem, x.pointer, k.add(x.at(k, index), k.mul(m0, rowStride)));
    PackedProduct product = {plan.elem, a, rowStride, k.scratch(), depth, columns};
    Value outBase = k.add(k.mul(k.add(k.mul(matrix, m), m0), n), n0);
    emitPackedProduct(k, product, k.min(k.ci64(rowChunk), k.sub(m, m0)),
                      [&](Value row, Value column, Value lanes, Value sum) {
                        Value at = k.add(outBase, k.add(k.mul(row, n), column));
                        k.vstore(outElem, sum, out, at, lanes);
                      });
  });
  return success();
}

} // namespace

LogicalResult lower::emitMatmulKernel(KernelFrame &frame) { return MatmulEmitter(frame).emit(); }
