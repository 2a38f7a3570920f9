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
