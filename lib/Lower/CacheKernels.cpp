// Kernels that write key and value caches: rows of tensors into storage with strides of its own.
#include "FamilySupport.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// The storage that a kernel's cache result lies in: its slots come after those of the operands.
struct CacheStorage {
  Value pointer, batchStride, headStride;

  explicit CacheStorage(KernelFrame &frame) {
    int slot = 0;
    for (BlockArgument argument : frame.body().getArguments())
      slot += slotsOf(argument.getType());
    pointer = frame.resultPointer(0);
    batchStride = frame.k.argI64(slot + 1);
    headStride = frame.k.argI64(slot + 2);
  }
};

RowBlocks rowsOf(Value rows) {
  SmallVector<DimExpr> dims = dimsOf(rows.getType());
  return RowBlocks(rowCount(rows.getContext(), dims), dims.back());
}

/// Row r of `rows` [B, H, S, D] becomes row first + r of the cache.
LogicalResult emitRows(KernelFrame &frame, Value rows, DimExpr first) {
  KernelBuilder &k = frame.k;
  auto source = operandOf(frame, rows);
  if (failed(source))
    return failure();
  CacheStorage cache(frame);
  SmallVector<Value> sizes = dimValues(frame, dimsOf(rows.getType()));
  Value start = frame.dim(first), width = sizes[3];
  // Past rows may be passed in the storage itself.
  Value inPlace = k.ci1(false);
  if (source->known[3] == 1 && first.isConstant(0)) {
    auto address = [&](Value pointer) {
      return LLVM::PtrToIntOp::create(k.builder(), k.loc(), k.i64(), pointer).getResult();
    };
    Value same = k.eq(address(source->pointer), address(cache.pointer));
    auto sameStride = [&](int axis, Value stride) {
      return source->known[axis] == 0 ? k.ci1(true) : k.eq(source->strides[axis], stride);
    };
    inPlace =
        k.and_(same, k.and_(sameStride(0, cache.batchStride), sameStride(1, cache.headStride)));
  }
  RowBlocks blocks = rowsOf(rows);
  frame.dim(blocks.rows), frame.dim(blocks.perTask);
  k.ifThen(k.not_(inPlace), [&] {
    blocks.forRows(frame, [&](Value row) {
      SmallVector<Value> index = unravel(k, row, ArrayRef(sizes).drop_back());
      Value to = k.add(k.mul(index[0], cache.batchStride), k.mul(index[1], cache.headStride));
      to = k.add(to, k.mul(k.add(start, index[2]), width));
      Value from = source->at(k, index);
      k.forLanes(width, [&](Value i, Value lanes) {
        k.vstore(source->elem, source->vload(k, from, i, lanes), cache.pointer, k.add(to, i),
                 lanes);
      });
    });
  });
  return success();
}

} // namespace

FailureOr<LaunchShape> lower::kvBeginShape(KernelOp kernel) {
  return rowsOf(opOf<KvBeginOp>(kernel).getPast()).launch();
}
LogicalResult lower::emitKvBegin(KernelFrame &frame) {
  auto op = opOf<KvBeginOp>(frame.kernel);
  return emitRows(frame, op.getPast(), DimExpr::constant(op.getContext(), 0));
}

FailureOr<LaunchShape> lower::kvAppendShape(KernelOp kernel) {
  return rowsOf(opOf<KvAppendOp>(kernel).getRows()).launch();
}
LogicalResult lower::emitKvAppend(KernelFrame &frame) {
  auto op = opOf<KvAppendOp>(frame.kernel);
  return emitRows(frame, op.getRows(), dimsOf(op.getCache().getType())[2]);
}
