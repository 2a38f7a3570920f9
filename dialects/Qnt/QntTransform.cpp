// Rotations and side paths: verifiers, one comment (Cn) per constraint, and folds.
#include "Qnt/Qnt.h"

using namespace mlir;
using namespace qcc::qnt;

LogicalResult HadamardOp::verify() {
  SmallVector<DimExpr> dims = dimsOf(getX().getType());
  int64_t axis = getAxis(), block = getBlock();
  if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) // (C1)
    return emitOpError() << "axis " << axis << " is outside rank " << dims.size();
  auto size = dims[axis].constantValue();
  if (!size || block < 1 || *size % block != 0)
    return emitOpError() << "axis " << axis << " of size " << dims[axis].str()
                         << " is no multiple of block " << block;
  if (getType() != getX().getType()) // (C2)
    return emitOpError() << "result has type " << getType() << " instead of " << getX().getType();
  Type element = elementTypeOf(getType());
  if (!element.isF32() && !element.isF16() && !element.isBF16())
    return emitOpError() << "rotates f32, f16 and bf16, but is of " << element;
  return success();
}

/// A rotation and its inverse vanish.
OpFoldResult HadamardOp::fold(FoldAdaptor) {
  auto inner = getX().getDefiningOp<HadamardOp>();
  if (inner && elementTypeOf(getType()).isF32() && inner.getAxis() == getAxis() &&
      inner.getBlock() == getBlock() && inner.getSeed() == getSeed() &&
      inner.getInverse() != getInverse())
    return inner.getX();
  return {};
}

LogicalResult SparseLinearOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), values = dimsOf(getValues().getType()),
                       columns = dimsOf(getColumns().getType());
  bool shared = columns.size() == 1;
  if (x.empty() || values.size() != 2 || columns.empty() || columns[0] != values[0] ||
      (!shared && columns != values)) // (C1)
    return emitOpError() << "columns " << getColumns().getType() << " do not fit values "
                         << getValues().getType();
  if (!elementTypeOf(getColumns().getType()).isInteger(32))
    return emitOpError() << "columns must be i32, but are "
                         << elementTypeOf(getColumns().getType());
  x.back() = values[1];
  if (dimsOf(getType()) != x) // (C2)
    return emitOpError() << "result " << getType() << " does not have " << values[1].str()
                         << " channels after the leading dimensions of " << getX().getType();
  Type element = elementTypeOf(getValues().getType());
  if (!elementTypeOf(getX().getType()).isF32() || !elementTypeOf(getType()).isF32() ||
      (!element.isF32() && !element.isF16() && !element.isBF16())) // (C3)
    return emitOpError() << "takes f32 with values of f32, f16 or bf16, but has "
                         << elementTypeOf(getX().getType()) << " with " << element;
  return success();
}

LogicalResult TopColumnsOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), out = dimsOf(getType());
  auto count = out.empty() ? std::nullopt : out[0].constantValue();
  auto k = x.size() == 2 ? x[1].constantValue() : std::nullopt;
  bool fits = out.size() == 2 && count && k && out[1] == x[0] && *count >= 1 && *count <= *k;
  if (!fits || !isa<FloatType>(elementTypeOf(getX().getType())) ||
      !elementTypeOf(getType()).isInteger(32)) // (C1)
    return emitOpError() << "columns " << getType() << " do not fit the rows of "
                         << getX().getType();
  return success();
}
