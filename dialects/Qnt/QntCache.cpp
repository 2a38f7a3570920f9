// Caches and their rows as codes: verifiers, one comment (Cn) per constraint.
#include "Qnt/RowCodes.h"
#include "VerifyHelpers.h"

using namespace mlir;
using namespace qcc::qnt;
using namespace qcc::qnt::verify;

LogicalResult KvBeginOp::verify() {
  if (dimsOf(getPast().getType()).size() != 4) // (C1)
    return emitOpError() << "needs rank 4, but has " << dimsOf(getPast().getType()).size();
  return sameType(*this, "result", getOut().getType(), getPast().getType());
}
LogicalResult KvAppendOp::verify() {
  SmallVector<DimExpr> want = dimsOf(getCache().getType()), rows = dimsOf(getRows().getType());
  if (want.size() != 4 || rows.size() != 4) // (C1)
    return emitOpError("needs operands of rank 4");
  DimExpr length = want[2] + rows[2];
  rows[2] = want[2];
  if (rows != want)
    return emitOpError() << "cannot append " << text(dimsOf(getRows().getType())) << " to "
                         << text(want);
  want[2] = length;
  if (failed(sameElement(*this, "rows", getRows().getType(), getCache().getType()))) // (C2)
    return failure();
  return sameType(*this, "result", getOut().getType(),
                  makeTensorType(want, elementTypeOf(getCache().getType())));
}
LogicalResult KvResultOp::verify() {
  return sameType(*this, "result", getOut().getType(), getCache().getType()); // (C1)
}

/// What encode_rows and decode_rows share: `numbers` and the bytes that stand for them.
static LogicalResult verifyRows(Operation *op, Storage codes, Type numbers, Type bytes) {
  if (codes != Storage::i8 && codes != Storage::u4) // (C1)
    return op->emitOpError() << "has codes of i8 or u4, not of " << stringifyStorage(codes);
  SmallVector<DimExpr> dims = dimsOf(numbers);
  if (!elementTypeOf(numbers).isF32() || dims.empty() || !dims.back().constantValue()) // (C2)
    return op->emitOpError() << "needs rows of f32 of a constant size, but has " << numbers;
  RowCodes row{codes, *dims.back().constantValue()};
  dims.back() = DimExpr::constant(op->getContext(), row.bytes());
  if (!elementTypeOf(bytes).isUnsignedInteger(8)) // (C3)
    return op->emitOpError() << "keeps rows as ui8, not as " << elementTypeOf(bytes);
  return sameDims(op, "tensor of bytes", dimsOf(bytes), dims);
}
LogicalResult EncodeRowsOp::verify() {
  return verifyRows(*this, getCodes(), getX().getType(), getType());
}
LogicalResult DecodeRowsOp::verify() {
  return verifyRows(*this, getCodes(), getType(), getX().getType());
}
