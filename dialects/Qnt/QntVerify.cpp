// Verifiers of the ops of models: one comment (Cn) per constraint of the op's description.
#include "VerifyHelpers.h"
#include "llvm/Support/JSON.h"
#include <cmath>

using namespace mlir;
using namespace qcc::qnt;
using namespace qcc::qnt::verify;

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
LogicalResult NonZeroCountOp::verify() { return isCount(*this, "result", getType()); } // (C1)
LogicalResult NonZeroOp::verify() {
  int64_t rank = std::max<int64_t>(1, dimsOf(getX().getType()).size());
  SmallVector<DimExpr> want = {DimExpr::constant(getContext(), rank),
                               DimExpr::symbol(getContext(), getSymbol())};
  if (!elementTypeOf(getType()).isInteger(64)) // (C1)
    return emitOpError() << "result must be i64, but is " << elementTypeOf(getType());
  return sameDims(*this, "result", dimsOf(getType()), want);
}
bool qcc::qnt::isHostElement(Type element) {
  if (!element.isIntOrFloat())
    return false;
  unsigned width = element.getIntOrFloatBitWidth();
  return width == 1 || (width >= 8 && width <= 64 && llvm::isPowerOf2_32(width));
}

LogicalResult HostCallOp::verify() {
  int64_t next = 0;
  for (int64_t position : getPositions()) // (C1)
    if (position != -1 && position != next++)
      return emitOpError() << "positions are not the numbers of the operands in order";
  if (next != static_cast<int64_t>(getInputs().size()))
    return emitOpError() << "has " << getInputs().size() << " operands, but positions for " << next;
  if (getElements().size() != getInputs().size()) // (C2)
    return emitOpError() << "has " << getInputs().size() << " operands, but "
                         << getElements().size() << " element types";
  for (auto [input, element] : llvm::zip(getInputs(), getElements().getAsValueRange<TypeAttr>()))
    if (elementTypeOf(input.getType()) != element)
      return emitOpError() << "an operand has element type " << elementTypeOf(input.getType())
                           << " instead of " << element;
  for (TypeRange types : {TypeRange(getInputs()), TypeRange(getOutputs())})
    for (Type type : types)
      if (!isHostElement(elementTypeOf(type)))
        return emitOpError() << "elements of type " << elementTypeOf(type)
                             << " cannot be handed to the application";
  auto object = llvm::json::parse(getSettings()); // (C3)
  if (getCallee().empty() || !object || !object->getAsObject()) {
    if (!object)
      llvm::consumeError(object.takeError());
    return emitOpError() << "has no name, or settings that are no JSON object";
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
  Type element = elementTypeOf(getX().getType());
  if (element.isSignlessInteger(16)) {
    if (!elementTypeOf(getType()).isSignlessInteger(32))
      return emitOpError() << "sums of i16 must be i32, but are " << elementTypeOf(getType());
    return success();
  }
  return sameElement(*this, "result", getType(), getX().getType());
}

LogicalResult LinearOp::verify() {
  if (failed(verifyLinear(*this, getX().getType(), getWeight().getType(), getBias(), getType())))
    return failure();                          // (C1), (C2), (C3)
  bool pairs = getProducts() == Storage::bf16; // (C4)
  if (!pairs && getProducts() != Storage::f32)
    return emitOpError() << "products must be of f32 or bf16, but are of "
                         << stringifyStorage(getProducts());
  if (Type x = getX().getType(); pairs && !hasRowsOfPairs(x))
    return emitOpError()
           << "products of bf16 need an input of f32, or of bf16 in multiples of 8, but it is "
           << x;
  return success();
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
  if (failed(sameDims(*this, "result", dimsOf(getType()), {q[0], q[1], q[2], v[3]}))) // (C3)
    return failure();
  bool codes = getProducts() == Storage::i16; // (C5)
  if (!codes && getProducts() != Storage::f32 && getProducts() != Storage::bf16)
    return emitOpError() << "products must be of f32, bf16 or i16, but are of "
                         << stringifyStorage(getProducts());
  if (codes && !q[3].constantValue())
    return emitOpError() << "products of i16 need a known number of channels, but there are "
                         << q[3].str();
  if (codes && (isa<KvType>(getKey().getType()) || isa<KvType>(getValue().getType())))
    return emitOpError("products of i16 read no caches");
  if (!getSink()) // (C4)
    return success();
  if (!isa<FloatType>(elementTypeOf(getSink().getType())))
    return emitOpError() << "sink must be float, but is " << elementTypeOf(getSink().getType());
  return sameDims(*this, "sink", dimsOf(getSink().getType()), {q[1]});
}
