// Verifiers: one comment (Cn) per constraint of the op's description.
#include "Qnt/Qnt.h"
#include <cmath>

using namespace mlir;
using namespace qcc::qnt;

namespace {

std::string text(ArrayRef<DimExpr> dims) {
  std::string result = "[";
  for (DimExpr dim : dims)
    result += (result.size() > 1 ? ", " : "") + dim.str();
  return result + "]";
}

LogicalResult sameDims(Operation *op, StringRef what, ArrayRef<DimExpr> got,
                       ArrayRef<DimExpr> want) {
  if (got == want)
    return success();
  return op->emitOpError() << what << " has dimensions " << text(got) << " instead of "
                           << text(want);
}

LogicalResult sameElement(Operation *op, StringRef what, Type got, Type want) {
  if (elementTypeOf(got) == elementTypeOf(want))
    return success();
  return op->emitOpError() << what << " has element type " << elementTypeOf(got) << " instead of "
                           << elementTypeOf(want);
}

LogicalResult inRange(Operation *op, StringRef what, int64_t value, size_t end) {
  if (value >= 0 && value < static_cast<int64_t>(end))
    return success();
  return op->emitOpError() << what << " " << value << " is outside rank " << end;
}

LogicalResult hasCount(Operation *op, StringRef what, size_t got, size_t want) {
  if (got == want)
    return success();
  return op->emitOpError() << what << " has " << got << " entries instead of " << want;
}

LogicalResult isBool(Operation *op, StringRef what, Type type) {
  if (elementTypeOf(type).isInteger(1))
    return success();
  return op->emitOpError() << what << " must have element type i1, but has " << elementTypeOf(type);
}

LogicalResult isIndex(Operation *op, StringRef what, Type type) {
  Type element = elementTypeOf(type);
  if (element.isInteger(64) || element.isInteger(32))
    return success();
  return op->emitOpError() << what << " must be i64 or i32, but is " << element;
}

/// The result has the dimensions that all operands broadcast to.
LogicalResult broadcasts(Operation *op) {
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

LogicalResult sameType(Operation *op, StringRef what, Type got, Type want) {
  return success(succeeded(sameDims(op, what, dimsOf(got), dimsOf(want))) &&
                 succeeded(sameElement(op, what, got, want)));
}

LogicalResult reducedDims(Operation *op, Type x, ArrayRef<int64_t> axes, bool keepDims, Type out) {
  SmallVector<DimExpr> want;
  for (auto [axis, dim] : llvm::enumerate(dimsOf(x)))
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      want.push_back(dim);
    else if (keepDims)
      want.push_back(DimExpr::constant(op->getContext(), 1));
  return sameDims(op, "result", dimsOf(out), want);
}

} // namespace

LogicalResult qcc::qnt::verifyUnary(Operation *op) {
  Type x = op->getOperand(0).getType(), out = op->getResult(0).getType();
  if (failed(sameDims(op, "result", dimsOf(out), dimsOf(x)))) // (C1)
    return failure();
  return sameElement(op, "result", out, x); // (C2)
}

LogicalResult qcc::qnt::verifyBinary(Operation *op) {
  if (failed(broadcasts(op))) // (C1)
    return failure();
  Type x = op->getOperand(0).getType();
  if (failed(sameElement(op, "second operand", op->getOperand(1).getType(), x))) // (C2)
    return failure();
  return sameElement(op, "result", op->getResult(0).getType(), x); // (C2)
}

LogicalResult CompareOp::verify() {
  if (failed(broadcasts(*this)) || // (C1)
      failed(sameElement(*this, "second operand", getY().getType(), getX().getType())))
    return failure();
  return isBool(*this, "result", getType()); // (C2)
}
LogicalResult IsNanOp::verify() {
  if (failed(sameDims(*this, "result", dimsOf(getType()), dimsOf(getX().getType())))) // (C1)
    return failure();
  return isBool(*this, "result", getType());
}
LogicalResult IsInfOp::verify() {
  if (failed(sameDims(*this, "result", dimsOf(getType()), dimsOf(getX().getType())))) // (C1)
    return failure();
  return isBool(*this, "result", getType());
}
LogicalResult CastOp::verify() {
  return sameDims(*this, "result", dimsOf(getType()), dimsOf(getX().getType())); // (C1)
}
LogicalResult SelectOp::verify() {
  if (failed(broadcasts(*this)) ||                                    // (C1)
      failed(isBool(*this, "condition", getCondition().getType())) || // (C2)
      failed(sameElement(*this, "third operand", getY().getType(), getX().getType())))
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}

LogicalResult ConstantOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  unsigned bits = type.getElementType().isInteger(1) ? 8 : type.getElementTypeBitWidth();
  int64_t bytes = type.getNumElements() * bits / 8;
  if (bytes > 1024) // (C1)
    return emitOpError() << "has " << bytes << " bytes; constants over 1024 are qnt.weight symbols";
  return success();
}
LogicalResult DimTensorOp::verify() {
  auto type = cast<RankedTensorType>(getType());
  size_t count = getDims().getDims().size();
  bool fits = type.getRank() == 0 ? count == 1
                                  : type.getRank() == 1 && type.getShape()[0] == int64_t(count);
  if (!fits) // (C1)
    return emitOpError() << "cannot hold " << count << " dimensions in " << type;
  return isIndex(*this, "result", type);
}
LogicalResult RequireEqualOp::verify() {
  return hasCount(*this, "dims", getDims().getDims().size(), 2); // (C1)
}
LogicalResult IotaOp::verify() {
  if (failed(inRange(*this, "axis", getAxis(), dimsOf(getType()).size()))) // (C1)
    return failure();
  return hasCount(*this, "start", getStart().getDims().size(), 1); // (C2)
}
LogicalResult ReshapeOp::verify() {
  if (failed(sameElement(*this, "result", getType(), getX().getType()))) // (C1)
    return failure();
  DimExpr before = elementCount(getContext(), dimsOf(getX().getType()));
  DimExpr after = elementCount(getContext(), dimsOf(getType()));
  if (before.constantValue() && after.constantValue() && before != after) // (C2)
    return emitOpError() << "changes the element count from " << before.str() << " to "
                         << after.str();
  return success();
}
LogicalResult TransposeOp::verify() {
  SmallVector<DimExpr> in = dimsOf(getX().getType()), want;
  SmallVector<int64_t> sorted(getPermutation());
  llvm::sort(sorted);
  if (failed(hasCount(*this, "permutation", sorted.size(), in.size())))
    return failure();
  for (auto [i, axis] : llvm::enumerate(sorted))
    if (axis != static_cast<int64_t>(i)) // (C1)
      return emitOpError() << "permutation misses axis " << i;
  for (int64_t axis : getPermutation())
    want.push_back(in[axis]);
  if (failed(sameDims(*this, "result", dimsOf(getType()), want))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult BroadcastOp::verify() {
  if (!broadcastsTo(dimsOf(getX().getType()), dimsOf(getType()))) // (C1)
    return emitOpError() << "cannot broadcast " << text(dimsOf(getX().getType())) << " to "
                         << text(dimsOf(getType()));
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult SliceOp::verify() {
  size_t rank = dimsOf(getX().getType()).size();
  if (failed(hasCount(*this, "starts", getStarts().getDims().size(), rank)) || // (C1)
      failed(hasCount(*this, "steps", getSteps().size(), rank)))
    return failure();
  if (llvm::is_contained(getSteps(), 0))
    return emitOpError("has a step of 0");
  if (failed(hasCount(*this, "result", dimsOf(getType()).size(), rank))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult ConcatOp::verify() {
  if (getInputs().empty()) // (C1)
    return emitOpError("has no operands");
  SmallVector<DimExpr> want = dimsOf(getInputs()[0].getType());
  if (failed(inRange(*this, "axis", getAxis(), want.size())))
    return failure();
  DimExpr sum = DimExpr::constant(getContext(), 0);
  for (Value input : getInputs()) {
    SmallVector<DimExpr> dims = dimsOf(input.getType());
    if (failed(hasCount(*this, "operand", dims.size(), want.size())) || // (C2)
        failed(sameElement(*this, "operand", input.getType(), getType())))
      return failure();
    sum = sum + dims[getAxis()];
    dims[getAxis()] = want[getAxis()];
    if (failed(sameDims(*this, "operand", dims, want)))
      return failure();
  }
  want[getAxis()] = sum;
  return sameDims(*this, "result", dimsOf(getType()), want);
}
LogicalResult PadOp::verify() {
  size_t rank = dimsOf(getX().getType()).size();
  if (failed(hasCount(*this, "low", getLow().getDims().size(), rank)) || // (C1)
      failed(hasCount(*this, "high", getHigh().getDims().size(), rank)) ||
      failed(hasCount(*this, "value rank", dimsOf(getValue().getType()).size(), 0)) || // (C2)
      failed(sameElement(*this, "value", getValue().getType(), getX().getType())))
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult GatherOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), want;
  if (failed(inRange(*this, "axis", getAxis(), x.size())) ||     // (C1)
      failed(isIndex(*this, "indices", getIndices().getType()))) // (C2)
    return failure();
  want.append(x.begin(), x.begin() + getAxis());
  llvm::append_range(want, dimsOf(getIndices().getType()));
  want.append(x.begin() + getAxis() + 1, x.end());
  if (failed(sameDims(*this, "result", dimsOf(getType()), want))) // (C3)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult GatherElementsOp::verify() {
  size_t rank = dimsOf(getX().getType()).size();
  if (failed(inRange(*this, "axis", getAxis(), rank)) || // (C1)
      failed(hasCount(*this, "indices rank", dimsOf(getIndices().getType()).size(), rank)) ||
      failed(isIndex(*this, "indices", getIndices().getType())) ||
      failed(sameDims(*this, "result", dimsOf(getType()), dimsOf(getIndices().getType())))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult GatherNdOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), indices = dimsOf(getIndices().getType());
  int64_t batch = getBatchDims();
  std::optional<int64_t> tuple;
  if (!indices.empty())
    tuple = indices.back().constantValue();
  if (!tuple || batch < 0 || batch >= int64_t(x.size()) || batch >= int64_t(indices.size()) ||
      batch + *tuple > int64_t(x.size())) // (C1)
    return emitOpError() << "tuples of " << text(indices) << " do not index " << text(x)
                         << " after " << batch << " batch axes";
  SmallVector<DimExpr> want(indices.begin(), indices.end() - 1);
  want.append(x.begin() + batch + *tuple, x.end());
  if (failed(sameDims(*this, "result", dimsOf(getType()), want))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult ScatterNdOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), indices = dimsOf(getIndices().getType());
  if (failed(sameType(*this, "result", getType(), getX().getType())) || // (C1)
      failed(sameElement(*this, "updates", getUpdates().getType(), getX().getType())))
    return failure();
  auto tuple = indices.empty() ? std::nullopt : indices.back().constantValue();
  if (!tuple || *tuple > int64_t(x.size()))
    return emitOpError() << "tuples of " << text(indices) << " do not index " << text(x);
  SmallVector<DimExpr> want(indices.begin(), indices.end() - 1);
  want.append(x.begin() + *tuple, x.end());
  return sameDims(*this, "updates", dimsOf(getUpdates().getType()), want); // (C2)
}
LogicalResult ScatterElementsOp::verify() {
  if (failed(inRange(*this, "axis", getAxis(), dimsOf(getX().getType()).size())) || // (C1)
      failed(sameType(*this, "result", getType(), getX().getType())) ||
      failed(sameElement(*this, "updates", getUpdates().getType(), getX().getType()))) // (C2)
    return failure();
  return sameDims(*this, "updates", dimsOf(getUpdates().getType()), dimsOf(getIndices().getType()));
}
LogicalResult NonZeroOp::verify() {
  int64_t rank = std::max<int64_t>(1, dimsOf(getX().getType()).size());
  SmallVector<DimExpr> want = {DimExpr::constant(getContext(), rank),
                               DimExpr::symbol(getContext(), getSymbol())};
  if (!elementTypeOf(getType()).isInteger(64)) // (C1)
    return emitOpError() << "result must be i64, but is " << elementTypeOf(getType());
  return sameDims(*this, "result", dimsOf(getType()), want);
}
/// An i64 of rank 0.
static LogicalResult isCount(Operation *op, StringRef what, Type type) {
  if (dimsOf(type).empty() && elementTypeOf(type).isInteger(64))
    return success();
  return op->emitOpError() << what << " must be an i64 of rank 0, but is " << type;
}
LogicalResult NonZeroCountOp::verify() { return isCount(*this, "result", getType()); }    // (C1)
LogicalResult BindDimOp::verify() { return isCount(*this, "size", getSize().getType()); } // (C1)
LogicalResult ChooseOp::verify() {
  size_t count = dimsOf(getWhich()).size(), rank = dimsOf(getType()).size();
  if (count != 1) // (C1)
    return emitOpError() << "which must have one element, but has " << count;
  for (Value operand : getOperands()) { // (C2)
    size_t own = dimsOf(operand.getType()).size();
    if (own != rank)
      return emitOpError() << "operands must have rank " << rank << ", but one has " << own;
    if (failed(sameElement(*this, "operand", operand.getType(), getType())))
      return failure();
  }
  return success();
}
LogicalResult ResizeOp::verify() {
  size_t rank = dimsOf(getX().getType()).size();
  if (!llvm::is_contained({"nearest", "linear", "cubic"}, getMode())) // (C1)
    return emitOpError() << "mode '" << getMode() << "' is not nearest, linear or cubic";
  if (failed(hasCount(*this, "scales", getScales().size(), rank)))
    return failure();
  for (double scale : getScales())
    if (!(scale > 0))
      return emitOpError() << "scale " << scale << " is not positive";
  if (failed(hasCount(*this, "result", dimsOf(getType()).size(), rank))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult IdentityOp::verify() {
  return sameType(*this, "result", getType(), getX().getType()); // (C1)
}

LogicalResult ReduceOp::verify() {
  size_t rank = dimsOf(getX().getType()).size();
  int64_t last = -1;
  for (int64_t axis : getAxes()) { // (C1)
    if (failed(inRange(*this, "axis", axis, rank)))
      return failure();
    if (axis <= last)
      return emitOpError() << "axes must ascend, but " << axis << " follows " << last;
    last = axis;
  }
  if (failed(reducedDims(*this, getX().getType(), getAxes(), getKeepDims(), getType()))) // (C2)
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}
LogicalResult ArgReduceOp::verify() {
  if (failed(inRange(*this, "axis", getAxis(), dimsOf(getX().getType()).size()))) // (C1)
    return failure();
  if (!elementTypeOf(getType()).isInteger(64)) // (C2)
    return emitOpError() << "result must be i64, but is " << elementTypeOf(getType());
  int64_t axis = getAxis();
  return reducedDims(*this, getX().getType(), axis, getKeepDims(), getType());
}
LogicalResult CumSumOp::verify() {
  if (failed(inRange(*this, "axis", getAxis(), dimsOf(getX().getType()).size()))) // (C1)
    return failure();
  return sameType(*this, "result", getType(), getX().getType());
}
LogicalResult TopKOp::verify() {
  if (failed(inRange(*this, "axis", getAxis(), dimsOf(getX().getType()).size())) || // (C1)
      failed(sameDims(*this, "indices", dimsOf(getIndices().getType()),
                      dimsOf(getValues().getType()))) ||
      failed(sameElement(*this, "values", getValues().getType(), getX().getType()))) // (C2)
    return failure();
  if (!elementTypeOf(getIndices().getType()).isInteger(64))
    return emitOpError() << "indices must be i64, but are "
                         << elementTypeOf(getIndices().getType());
  return success();
}

LogicalResult MatmulOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), y = dimsOf(getY().getType());
  if (x.size() < 2 || y.size() < 2) // (C1)
    return emitOpError() << "needs ranks of at least 2, but has " << x.size() << " and "
                         << y.size();
  DimExpr m = x[x.size() - 2], k = x.back(), n = y.back(), yk = y[y.size() - 2];
  if (getTransposeY())
    std::swap(n, yk);
  if (k != yk)
    return emitOpError() << "contracts " << k.str() << " with " << yk.str();
  auto batch = broadcastDims(ArrayRef(x).drop_back(2), ArrayRef(y).drop_back(2));
  if (!batch)
    return emitOpError() << "leading axes of " << text(x) << " and " << text(y)
                         << " do not broadcast";
  batch->append({m, n});
  if (failed(sameDims(*this, "result", dimsOf(getType()), *batch))) // (C2)
    return failure();
  if (failed(sameElement(*this, "second operand", getY().getType(), getX().getType())))
    return failure();
  return sameElement(*this, "result", getType(), getX().getType());
}

/// What linear and qlinear share: [.., K] times [N, K] plus [N] gives [.., N].
static LogicalResult verifyLinear(Operation *op, Type x, Type weight, Value bias, Type out) {
  SmallVector<DimExpr> dims = dimsOf(x), w = dimsOf(weight);
  if (w.size() != 2 || dims.empty() || dims.back() != w[1]) // (C1)
    return op->emitOpError() << "weight " << text(w) << " does not fit an input of " << text(dims);
  if (bias && failed(sameDims(op, "bias", dimsOf(bias.getType()), {w[0]}))) // (C2)
    return failure();
  dims.back() = w[0];
  return sameDims(op, "result", dimsOf(out), dims); // (C3)
}
LogicalResult LinearOp::verify() {
  return verifyLinear(*this, getX().getType(), getWeight().getType(), getBias(), getType());
}
LogicalResult ConvOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), w = dimsOf(getWeight().getType());
  if (x.size() < 3 || w.size() != x.size())
    return emitOpError() << "weight " << text(w) << " does not fit an input of " << text(x);
  size_t spatial = x.size() - 2;
  if (failed(hasCount(*this, "strides", getStrides().size(), spatial)) || // (C1)
      failed(hasCount(*this, "dilations", getDilations().size(), spatial)) ||
      failed(hasCount(*this, "pads", getPads().size(), 2 * spatial)))
    return failure();
  if (getGroups() < 1 || x[1] != w[1] * getGroups()) // (C2)
    return emitOpError() << x[1].str() << " channels do not fit " << getGroups() << " groups of "
                         << w[1].str();
  if (getBias() && failed(sameDims(*this, "bias", dimsOf(getBias().getType()), {w[0]})))
    return failure();
  SmallVector<DimExpr> out = dimsOf(getType());
  return hasCount(*this, "result", out.size(), x.size());
}
LogicalResult SoftmaxOp::verify() {
  if (dimsOf(getX().getType()).empty()) // (C1)
    return emitOpError("needs a rank of at least 1");
  return sameType(*this, "result", getType(), getX().getType());
}
static LogicalResult verifyNorm(Operation *op, Value x, ValueRange parameters, double epsilon) {
  SmallVector<DimExpr> dims = dimsOf(x.getType());
  if (dims.empty())
    return op->emitOpError("needs a rank of at least 1");
  for (Value parameter : parameters)
    if (parameter &&
        failed(sameDims(op, "parameter", dimsOf(parameter.getType()), {dims.back()}))) // (C1)
      return failure();
  if (!(epsilon >= 0)) // (C2)
    return op->emitOpError() << "epsilon must not be negative, but is " << epsilon;
  return sameType(op, "result", op->getResult(0).getType(), x.getType());
}
LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, getX(), {getGain(), getBias()}, getEpsilon().convertToDouble());
}
LogicalResult RmsNormOp::verify() {
  return verifyNorm(*this, getX(), {getGain()}, getEpsilon().convertToDouble());
}
LogicalResult RopeOp::verify() {
  SmallVector<DimExpr> x = dimsOf(getX().getType()), cos = dimsOf(getCos().getType());
  if (x.empty() || cos.empty() || getCos().getType() != getSin().getType()) // (C1)
    return emitOpError() << "cos " << getCos().getType() << " and sin " << getSin().getType()
                         << " must have one type";
  if (!(x.back() - cos.back() * 2).isNonNegative())
    return emitOpError() << "rotates " << (cos.back() * 2).str() << " of " << x.back().str()
                         << " channels";
  if (!broadcastsTo(ArrayRef(cos).drop_back(), ArrayRef(x).drop_back()))
    return emitOpError() << "cos " << text(cos) << " does not broadcast against " << text(x);
  return sameType(*this, "result", getType(), getX().getType()); // (C2)
}
LogicalResult AttentionOp::verify() {
  SmallVector<DimExpr> q = dimsOf(getQuery().getType()), k = dimsOf(getKey().getType()),
                       v = dimsOf(getValue().getType());
  if (q.size() != 4 || k.size() != 4 || v.size() != 4) // (C1)
    return emitOpError("needs operands of rank 4");
  if (k[0] != q[0] || v[0] != q[0] || v[1] != k[1] || v[2] != k[2] || k[3] != q[3] ||
      !q[1].exactDiv(k[1]))
    return emitOpError() << "query " << text(q) << ", key " << text(k) << " and value " << text(v)
                         << " do not fit";
  if (getMask()) { // (C2)
    Type mask = getMask().getType();
    if (!broadcastsTo(dimsOf(mask), {q[0], q[1], q[2], k[2]}))
      return emitOpError() << "mask " << text(dimsOf(mask)) << " does not broadcast to "
                           << text({q[0], q[1], q[2], k[2]});
    if (!elementTypeOf(mask).isInteger(1) && !isa<FloatType>(elementTypeOf(mask)))
      return emitOpError() << "mask must be float or i1, but is " << elementTypeOf(mask);
  }
  return sameDims(*this, "result", dimsOf(getType()), {q[0], q[1], q[2], v[3]}); // (C3)
}

LogicalResult QuantizeOp::verify() {
  QType out = getOut().getType();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType())))) // (C1)
    return failure();
  if (out.getGranularity() != Granularity::token)
    return success();
  bool fits =
      out.getStorage() == Storage::i8 || (out.getStorage() == Storage::i16 && !out.getZero());
  if (!fits || !out.getScale().isF32()) // (C2)
    return emitOpError() << "tokens are i8, or i16 without zero point, with scales of f32, but "
                            "the result is "
                         << out;
  return success();
}
LogicalResult QuantizeStaticOp::verify() {
  QType out = getOut().getType();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType())))) // (C1)
    return failure();
  if (out.getGranularity() != Granularity::token || out.getStorage() != Storage::i8 ||
      !out.getScale().isF32() || out.getGroup()) // (C2)
    return emitOpError() << "result must have i8 codes per token with scales of f32 and no groups, "
                            "but is "
                         << out;
  float scale = getScale().convertToFloat();
  if (!(scale > 0) || !std::isfinite(scale) || !std::isfinite(1 / scale)) // (C3)
    return emitOpError() << "scale must be positive and finite, but is " << scale;
  int64_t zero = getZero();
  if (zero < -128 || zero > 127 || (zero != 0 && !out.getZero()))
    return emitOpError() << "zero point " << zero << " does not fit " << out;
  return success();
}
LogicalResult DequantizeOp::verify() {
  return sameDims(*this, "result", dimsOf(getOut().getType()), dimsOf(getX().getType())); // (C1)
}
LogicalResult AssembleOp::verify() {
  QType type = getOut().getType();
  if (elementTypeOf(getScale().getType()) != type.getScale()) // (C1)
    return emitOpError() << "scales are " << elementTypeOf(getScale().getType()) << " instead of "
                         << type.getScale();
  if (static_cast<bool>(getZero()) != static_cast<bool>(type.getZero()))
    return emitOpError("zero points must be given exactly when the type has them");
  if (type.getSuper() || (type.getCodebook() && type.getCodebook().isLearned()))
    return emitOpError() << "has no operand for the table or the super scales of " << type;
  return success();
}
/// Whether `layout` is one for codes of type `in`.
static bool packs(QType in, Layout layout) {
  bool isMatrix = in.isByRows() && in.getBits() <= 8;
  if (layout == Layout::panel16_k4)
    return isMatrix && in.getBits() == 8 && in.getGranularity() != Granularity::block;
  return layout == Layout::panel16_block && isMatrix;
}
LogicalResult PackOp::verify() {
  QType out = getOut().getType();
  if (dimsOf(out).size() != 2) // (C1)
    return emitOpError() << "packs matrices, but the rank is " << dimsOf(out).size();
  if (failed(sameDims(*this, "result", dimsOf(out), dimsOf(getX().getType()))))
    return failure();
  auto in = dyn_cast<QType>(getX().getType());
  bool fits = out.getLayout() == Layout::panel16_f32 ? !in : in && packs(in, out.getLayout());
  if (!fits)
    return emitOpError() << "layout " << stringifyLayout(out.getLayout()) << " does not fit "
                         << getX().getType();
  return success();
}

/// The input's part of qlinear's constraints.
static LogicalResult verifyProductInput(QLinearOp op, QType weight) {
  auto x = dyn_cast<QType>(op.getX().getType());
  if (!x && isa<FloatType>(elementTypeOf(op.getX().getType())))
    return success();
  bool isToken = x && x.getGranularity() == Granularity::token &&
                 (x.getStorage() == Storage::i8 || x.getStorage() == Storage::i16);
  if (!isToken) // (C2)
    return op.emitOpError() << "input must be floats, or i8 or i16 per token, but is "
                            << op.getX().getType();
  Product product = productOf(x, weight);
  bool inSteps = product == Product::BlockSums || product == Product::WideSums;
  if (inSteps && x.getZero())
    return op.emitOpError() << "input must be symmetric for sums over blocks, but is " << x;
  int64_t k = dimsOf(weight)[1].constantValue().value_or(0);
  int64_t step = productStep(x, weight, k);
  if (inSteps && x.getBlock() && k && x.getBlock() != step) // (C6)
    return op.emitOpError() << "input has sums over " << x.getBlock() << " codes instead of "
                            << step;
  int64_t block = weight.getGranularity() == Granularity::block ? weight.getBlock() : 0;
  if (product == Product::WideSums && !block)
    block = kWideBlock;
  int64_t group = x.getGroup();
  if (inSteps && block && group && std::max(block, group) % std::min(block, group) != 0) // (C5)
    return op.emitOpError() << "groups of " << group << " inputs and blocks of " << block
                            << " do not divide each other";
  if (product == Product::FloatSums)
    return success();
  int64_t bits = weight.getCodebook() ? 8 : weight.getBits();
  int64_t most = (int64_t(1) << 31) / (bits == 8 ? 255 * 128 : (1 << bits) * 128);
  if (step > most) // (C3)
    return op.emitOpError() << "an accumulation over " << step << " products may overflow int32";
  return success();
}

LogicalResult QLinearOp::verify() {
  QType weight = getWeight().getType();
  if (failed(verifyLinear(*this, getX().getType(), weight, getBias(), // (C1), (C4)
                          getOut().getType())))
    return failure();
  if (!weight.isByRows() || weight.getBits() > 8)
    return emitOpError() << "weight must have codes of at most 8 bits, with one scale, per axis 0 "
                            "or in blocks along axis 1, but is "
                         << weight;
  return verifyProductInput(*this, weight);
}
LogicalResult QGatherOp::verify() {
  QType table = getTable().getType();
  bool perAxis = table.getGranularity() == Granularity::axis && table.getAxis() == 0;
  bool blocks = table.getGranularity() == Granularity::block && table.getAxis() == 1;
  SmallVector<DimExpr> dims = dimsOf(table);
  bool readable = table.getLayout() == Layout::logical ||
                  table.getLayout() == Layout::panel16_block ||
                  (table.getLayout() == Layout::panel16_k4 && perAxis && table.getBits() == 8);
  bool reals = table.getLayout() == Layout::panel16_f32;
  if (dims.size() != 2 || (!reals && ((!perAxis && !blocks) || !readable))) // (C1)
    return emitOpError()
           << "table must be a matrix per axis 0 or in blocks along axis 1, logical or "
              "of layout panel16_k4 or panel16_block, or one of layout panel16_f32, but is "
           << table;
  if (failed(isIndex(*this, "indices", getIndices().getType())))
    return failure();
  SmallVector<DimExpr> want = dimsOf(getIndices().getType());
  want.push_back(dims[1]);
  return sameDims(*this, "result", dimsOf(getOut().getType()), want); // (C2)
}

LogicalResult ObserveOp::verify() {
  if (getId().empty()) // (C2)
    return emitOpError("needs an id");
  return sameType(*this, "result", getType(), getX().getType()); // (C1)
}

LogicalResult WeightOp::verify() {
  bool hasRecipe = !getRecipe().empty();
  if (hasRecipe == getSource().has_value()) // (C1)
    return emitOpError("needs either a source or a recipe");
  for (DimExpr dim : dimsOf(getType()))
    if (!dim.constantValue()) // (C4)
      return emitOpError() << "has the dimension " << dim.str() << ", which is not a constant";
  if (hasRecipe) {
    auto yield = dyn_cast_or_null<YieldOp>(
        getRecipe().front().empty() ? nullptr : &getRecipe().front().back());
    if (!yield || yield->getNumOperands() != 1 || yield->getOperand(0).getType() != getType())
      return emitOpError() << "recipe must yield one value of type " << getType(); // (C3)
    return success();
  }
  auto tensor = dyn_cast<RankedTensorType>(getType());
  if (!tensor)
    return success();
  unsigned bits = tensor.getElementType().isInteger(1) ? 8 : tensor.getElementTypeBitWidth();
  uint64_t want = (static_cast<uint64_t>(tensor.getNumElements()) * bits + 7) / 8, got = want;
  if (auto file = dyn_cast<FileAttr>(*getSource()))
    got = file.getLength();
  else if (auto blob = dyn_cast<BlobAttr>(*getSource()))
    got = blob.getLength();
  else
    return emitOpError() << "source must be #qnt.file or #qnt.blob, but is " << *getSource();
  if (got != want) // (C2)
    return emitOpError() << "source has " << got << " bytes instead of " << want;
  return success();
}

LogicalResult UseOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight) // (C1)
    return emitOpError() << "names no weight: " << getWeightAttr();
  if (weight.getType() != getOut().getType())
    return emitOpError() << "has type " << getOut().getType() << ", but the weight has "
                         << weight.getType();
  return success();
}

LogicalResult FusedOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes()) // (C1)
    return emitOpError("block arguments do not have the operands' types");
  auto yield = dyn_cast<YieldOp>(block.getTerminator());
  if (!yield || yield.getOperandTypes() != getOutputs().getTypes())
    return emitOpError("body does not yield the results' types");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel) // (C1)
    return emitOpError() << "names no kernel: " << getKernelAttr();
  if (static_cast<size_t>(kernel.getNumDims()) != getDims().getDims().size())
    return emitOpError() << "gives " << getDims().getDims().size() << " dimensions, but "
                         << getKernelAttr() << " has " << kernel.getNumDims();
  Block &body = kernel.getBody().front();
  if (body.getNumArguments() != getInputs().size() ||
      body.getTerminator()->getNumOperands() != getOutputs().size())
    return emitOpError() << "does not have the operands and results of " << getKernelAttr();
  return success();
}

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
LogicalResult SectionOp::verify() {
  if (getOffsets().size() != getWeights().size()) // (C1)
    return emitOpError() << "has " << getOffsets().size() << " offsets for " << getWeights().size()
                         << " weights";
  int64_t last = -1, bytes = getBytes();
  for (int64_t offset : getOffsets()) {
    if (offset <= last || offset % 64 != 0 || offset >= bytes)
      return emitOpError() << "offset " << offset << " does not ascend in multiples of 64 below "
                           << getBytes();
    last = offset;
  }
  return success();
}
