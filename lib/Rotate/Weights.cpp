// Constant weights of layers, and their rotation.
#include "Weights.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

bool rotate::isConstant(Value value) {
  Operation *def = value.getDefiningOp();
  return def && isa<QntDialect>(def->getDialect()) && isMemoryEffectFree(def) &&
         llvm::all_of(def->getOperands(), isConstant);
}

bool rotate::hasFloatWeights(LinearOp layer) {
  Value weight = layer.getWeight(), bias = layer.getBias();
  auto isFloat = [](Value value) {
    return isa<RankedTensorType>(value.getType()) && elementTypeOf(value.getType()).isF32() &&
           isConstant(value) && !value.getDefiningOp<DequantizeOp>();
  };
  return isFloat(weight) && (!bias || isFloat(bias));
}

Value rotate::Rotation::rotate(RewriterBase &rewriter, Value x, int64_t axis, bool inverse) const {
  return HadamardOp::create(rewriter, x.getLoc(), x.getType(), x, axis, block,
                            static_cast<int64_t>(seed), inverse);
}

void rotate::Rotation::foldIntoInput(RewriterBase &rewriter, LinearOp layer) const {
  rewriter.setInsertionPoint(layer);
  layer.getWeightMutable().assign(rotate(rewriter, layer.getWeight(), 1));
}

void rotate::Rotation::foldIntoOutput(RewriterBase &rewriter, LinearOp layer) const {
  rewriter.setInsertionPoint(layer);
  layer.getWeightMutable().assign(rotate(rewriter, layer.getWeight(), 0));
  if (layer.getBias())
    layer.getBiasMutable().assign(rotate(rewriter, layer.getBias(), 0));
}

void rotate::moveAbove(Operation *op, Operation *place) {
  if (op->isBeforeInBlock(place))
    return;
  for (Value operand : op->getOperands())
    moveAbove(operand.getDefiningOp(), place);
  op->moveBefore(place);
}

Value rotate::columnMagnitudes(RewriterBase &rewriter, SmallVector<LinearOp> layers) {
  Location loc = layers.front().getLoc();
  Value largest;
  for (LinearOp layer : layers) {
    Value weight = layer.getWeight();
    auto type = RankedTensorType::get(cast<RankedTensorType>(weight.getType()).getDimSize(1),
                                      rewriter.getF32Type());
    Value magnitude = AbsOp::create(rewriter, loc, weight.getType(), weight);
    Value columns = ReduceOp::create(
        rewriter, loc, type, ReduceKindAttr::get(rewriter.getContext(), ReduceKind::max), magnitude,
        rewriter.getDenseI64ArrayAttr({0}), rewriter.getBoolAttr(false));
    largest = largest ? MaxOp::create(rewriter, loc, type, largest, columns).getOut() : columns;
  }
  auto list = [&](float value) -> Value {
    auto type = RankedTensorType::get({1}, rewriter.getF32Type());
    return ConstantOp::create(rewriter, loc, DenseElementsAttr::get(type, value));
  };
  auto bits = makeTensorType(dimsOf(largest.getType()), rewriter.getI1Type());
  Value some = CompareOp::create(rewriter, loc, bits, Predicate::gt, largest, list(0));
  return SelectOp::create(rewriter, loc, largest.getType(), some, largest, list(1));
}
