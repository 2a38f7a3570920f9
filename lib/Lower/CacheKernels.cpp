// Kernels that write key and value caches: rows of tensors into storage with strides of its own, as
// they are or as codes. Also codes by themselves, where there is no such storage.
#include "FamilySupport.h"
#include "RowCodes.h"
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

/// Row r of `rows` [B, H, S, D] becomes row first + r of the cache, whose elements may be codes.
LogicalResult emitRows(KernelFrame &frame, Value rows, DimExpr first) {
  KernelBuilder &k = frame.k;
  auto encode = rows.getDefiningOp<EncodeRowsOp>();
  auto source = operandOf(frame, encode ? encode.getX() : rows);
  if (failed(source))
    return failure();
  CacheStorage cache(frame);
  SmallVector<Value> sizes = dimValues(frame, dimsOf(rows.getType()));
  Value start = frame.dim(first), width = sizes[3];
  // Past rows may be passed in the storage itself.
  Value inPlace = k.ci1(false);
  if (!encode && source->known[3] == 1 && first.isConstant(0)) {
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
      if (encode)
        return encodeRow(k, rowCodesOf(encode), k.bytePtr(cache.pointer, to),
                         [&](Value i, Value lanes) { return source->vload(k, from, i, lanes); });
      k.forLanes(width, [&](Value i, Value lanes) {
        k.vstore(source->elem, source->vload(k, from, i, lanes), cache.pointer, k.add(to, i),
                 lanes);
      });
    });
  });
  return success();
}

/// For each row of `rows`, of any rank: row(source, where it begins there, element of the result).
LogicalResult emitDenseRows(KernelFrame &frame, Value rows, int64_t width,
                            llvm::function_ref<void(Operand &source, Value from, Value to)> row) {
  KernelBuilder &k = frame.k;
  auto source = operandOf(frame, rows);
  if (failed(source))
    return failure();
  SmallVector<Value> sizes = dimValues(frame, dimsOf(rows.getType()));
  RowBlocks blocks = rowsOf(rows);
  frame.dim(blocks.rows), frame.dim(blocks.perTask);
  blocks.forRows(frame, [&](Value number) {
    Value from = source->at(k, unravel(k, number, ArrayRef(sizes).drop_back()));
    row(*source, from, k.mul(number, k.ci64(width)));
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

FailureOr<LaunchShape> lower::encodeRowsShape(KernelOp kernel) {
  return rowsOf(opOf<EncodeRowsOp>(kernel).getX()).launch();
}
LogicalResult lower::emitEncodeRows(KernelFrame &frame) {
  auto op = opOf<EncodeRowsOp>(frame.kernel);
  RowCodes form = rowCodesOf(op);
  return emitDenseRows(frame, op.getX(), form.bytes(), [&](Operand &source, Value from, Value to) {
    KernelBuilder &k = frame.k;
    encodeRow(k, form, k.bytePtr(frame.resultPointer(0), to),
              [&](Value i, Value lanes) { return source.vload(k, from, i, lanes); });
  });
}

FailureOr<LaunchShape> lower::decodeRowsShape(KernelOp kernel) {
  return rowsOf(opOf<DecodeRowsOp>(kernel).getOut()).launch();
}
LogicalResult lower::emitDecodeRows(KernelFrame &frame) {
  auto op = opOf<DecodeRowsOp>(frame.kernel);
  int64_t width = rowCodesOf(op).channels;
  return emitDenseRows(frame, op.getOut(), width, [&](Operand &source, Value from, Value to) {
    KernelBuilder &k = frame.k;
    k.forLanes(k.ci64(width), [&](Value i, Value lanes) {
      k.vstore(Elem::F32, source.vload(k, from, i, lanes), frame.resultPointer(0), k.add(to, i),
               lanes);
    });
  });
}
