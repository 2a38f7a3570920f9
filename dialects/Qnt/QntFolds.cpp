// Folds: rewrites that need nothing but the op and its operands' definitions.
#include "Qnt/Qnt.h"

using namespace mlir;
using namespace qcc::qnt;

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

/// reshape of reshape is one reshape; a reshape to the same type is its operand.
OpFoldResult ReshapeOp::fold(FoldAdaptor) {
  if (getX().getType() == getType())
    return getX();
  if (auto inner = getX().getDefiningOp<ReshapeOp>()) {
    setOperand(inner.getX());
    return getResult();
  }
  return {};
}

/// Two permutations compose; the identity vanishes.
OpFoldResult TransposeOp::fold(FoldAdaptor) {
  bool identity = true;
  for (auto [i, axis] : llvm::enumerate(getPermutation()))
    identity &= axis == static_cast<int64_t>(i);
  if (identity)
    return getX();
  if (auto inner = getX().getDefiningOp<TransposeOp>()) {
    SmallVector<int64_t> composed;
    for (int64_t axis : getPermutation())
      composed.push_back(inner.getPermutation()[axis]);
    setPermutation(composed);
    setOperand(inner.getX());
    return getResult();
  }
  return {};
}

OpFoldResult BroadcastOp::fold(FoldAdaptor) {
  return getX().getType() == getType() ? OpFoldResult(getX()) : OpFoldResult();
}

/// A slice of everything is its operand.
OpFoldResult SliceOp::fold(FoldAdaptor) {
  if (getX().getType() != getType())
    return {};
  for (Attribute start : getStarts().getDims())
    if (!DimExpr(start).isConstant(0))
      return {};
  for (int64_t step : getSteps())
    if (step != 1)
      return {};
  return getX();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? OpFoldResult(getInputs()[0]) : OpFoldResult();
}
