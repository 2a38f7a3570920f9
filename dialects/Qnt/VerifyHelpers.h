// What verifiers ask of operands and results, with the messages that say what is there instead.
#ifndef QCC_DIALECTS_QNT_VERIFYHELPERS_H
#define QCC_DIALECTS_QNT_VERIFYHELPERS_H

#include "Qnt/Qnt.h"

namespace qcc::qnt::verify {

using namespace mlir;

inline std::string text(ArrayRef<DimExpr> dims) {
  std::string result = "[";
  for (DimExpr dim : dims)
    result += (result.size() > 1 ? ", " : "") + dim.str();
  return result + "]";
}

inline LogicalResult sameDims(Operation *op, StringRef what, ArrayRef<DimExpr> got,
                              ArrayRef<DimExpr> want) {
  if (got == want)
    return success();
  return op->emitOpError() << what << " has dimensions " << text(got) << " instead of "
                           << text(want);
}

inline LogicalResult sameElement(Operation *op, StringRef what, Type got, Type want) {
  if (elementTypeOf(got) == elementTypeOf(want))
    return success();
  return op->emitOpError() << what << " has element type " << elementTypeOf(got) << " instead of "
                           << elementTypeOf(want);
}

/// An i64 of rank 0.
inline LogicalResult isCount(Operation *op, StringRef what, Type type) {
  if (dimsOf(type).empty() && elementTypeOf(type).isInteger(64))
    return success();
  return op->emitOpError() << what << " must be an i64 of rank 0, but is " << type;
}

inline LogicalResult inRange(Operation *op, StringRef what, int64_t value, size_t end) {
  if (value >= 0 && value < static_cast<int64_t>(end))
    return success();
  return op->emitOpError() << what << " " << value << " is outside rank " << end;
}

inline LogicalResult hasCount(Operation *op, StringRef what, size_t got, size_t want) {
  if (got == want)
    return success();
  return op->emitOpError() << what << " has " << got << " entries instead of " << want;
}

inline LogicalResult isBool(Operation *op, StringRef what, Type type) {
  if (elementTypeOf(type).isInteger(1))
    return success();
  return op->emitOpError() << what << " must have element type i1, but has " << elementTypeOf(type);
}

inline LogicalResult isIndex(Operation *op, StringRef what, Type type) {
  Type element = elementTypeOf(type);
  if (element.isInteger(64) || element.isInteger(32))
    return success();
  return op->emitOpError() << what << " must be i64 or i32, but is " << element;
}

/// The result has the dimensions that all operands broadcast to.
inline LogicalResult broadcasts(Operation *op) {
  SmallVector<DimExpr> dims;
  for (Value operand : op->getOperands()) {
    auto next = broadcastDims(dims, dimsOf(operand.getType()));
    if (!next)
      return op->emitOpError() << "operands do not broadcast: " << text(dims) << " and "
                               << text(dimsOf(operand.getType()));
    dims = *next;
  }
  return sameDims(op, "result", dimsOf(op->getResult(0).getType()), dims);
}

inline LogicalResult sameType(Operation *op, StringRef what, Type got, Type want) {
  return success(succeeded(sameDims(op, what, dimsOf(got), dimsOf(want))) &&
                 succeeded(sameElement(op, what, got, want)));
}

inline LogicalResult reducedDims(Operation *op, Type x, ArrayRef<int64_t> axes, bool keepDims,
                                 Type out) {
  SmallVector<DimExpr> want;
  for (auto [axis, dim] : llvm::enumerate(dimsOf(x)))
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      want.push_back(dim);
    else if (keepDims)
      want.push_back(DimExpr::constant(op->getContext(), 1));
  return sameDims(op, "result", dimsOf(out), want);
}

/// What linear and qlinear share: [.., K] times [N, K] plus [N] gives [.., N].
inline LogicalResult verifyLinear(Operation *op, Type x, Type weight, Value bias, Type out) {
  SmallVector<DimExpr> dims = dimsOf(x), w = dimsOf(weight);
  if (w.size() != 2 || dims.empty() || dims.back() != w[1]) // (C1)
    return op->emitOpError() << "weight " << text(w) << " does not fit an input of " << text(dims);
  if (bias && failed(sameDims(op, "bias", dimsOf(bias.getType()), {w[0]}))) // (C2)
    return failure();
  dims.back() = w[0];
  return sameDims(op, "result", dimsOf(out), dims); // (C3)
}

} // namespace qcc::qnt::verify
#endif
