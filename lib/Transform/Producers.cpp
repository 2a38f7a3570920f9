// Producers of channels, and their division.
#include "Producers.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::transform;
using namespace qcc::qnt;

namespace {

constexpr const char *otherReaders = "something other than layers reads what makes the value";

FoundProducer refused(const char *why) { return {{}, why}; }

FoundProducer norm(Operation *op) {
  Value gain, bias;
  if (auto layerNorm = dyn_cast<LayerNormOp>(op)) {
    gain = layerNorm.getGain();
    bias = layerNorm.getBias();
  } else {
    gain = cast<RmsNormOp>(op).getGain();
  }
  if ((gain && !isConstant(gain)) || (bias && !isConstant(bias)))
    return refused("the gain or bias of the norm is computed");
  return {{op, 0, 1}, nullptr};
}

FoundProducer layer(LinearOp op) {
  if (!hasFloatWeight(op) || (op.getBias() && !isConstant(op.getBias())))
    return refused("the layer that makes the value has no constant weights of f32");
  return {{op, 0, 1}, nullptr};
}

bool swapsHeads(Operation *op) {
  auto transpose = dyn_cast_or_null<TransposeOp>(op);
  return transpose && transpose.getPermutation() == ArrayRef<int64_t>{0, 2, 1, 3};
}

/// The values of attention: reshape(transpose(attention)), its heads from a layer.
FoundProducer heads(ReshapeOp join) {
  Operation *swap = join.getX().getDefiningOp();
  auto attention =
      swapsHeads(swap) ? swap->getOperand(0).getDefiningOp<AttentionOp>() : AttentionOp();
  if (!attention || !swap->hasOneUse() || !attention->hasOneUse())
    return refused("no norm and no layer makes the value");
  SmallVector<DimExpr> out = dimsOf(attention.getType());
  SmallVector<DimExpr> flat = dimsOf(join.getType());
  if (flat.empty() || flat.back() != out[1] * out[3])
    return refused("the heads are not joined behind attention");
  Operation *back = attention.getValue().getDefiningOp();
  auto split = swapsHeads(back) && back->hasOneUse()
                   ? back->getOperand(0).getDefiningOp<ReshapeOp>()
                   : ReshapeOp();
  auto op = split && split->hasOneUse() ? split.getX().getDefiningOp<LinearOp>() : LinearOp();
  if (!op || !op->hasOneUse())
    return refused("the values of attention come out of a cache, or something else reads them");
  auto groups = dimsOf(attention.getValue().getType())[1].constantValue();
  auto count = out[1].constantValue(), width = out[3].constantValue();
  if (!groups || !count || !width || outputsOf(op) != *groups * *width)
    return refused("the heads are not joined behind attention");
  FoundProducer found = layer(op);
  found.producer.width = *width;
  found.producer.repeats = *count / *groups;
  return found;
}

FoundProducer find(Value value, DimExpr channels, int depth);

/// One factor of a product takes the division: the one that a layer makes.
FoundProducer factor(MulOp op, DimExpr channels, int depth) {
  FoundProducer last = refused("no norm and no layer makes the value");
  for (Value operand : {op.getY(), op.getX()}) {
    SmallVector<DimExpr> dims = dimsOf(operand.getType());
    if (dims.empty() || dims.back() != channels || isConstant(operand))
      continue;
    FoundProducer found = find(operand, channels, depth + 1);
    if (!found.whyNot)
      return found;
    last = found;
  }
  return last;
}

FoundProducer find(Value value, DimExpr channels, int depth) {
  Operation *def = value.getDefiningOp();
  if (!def || depth > 8)
    return refused("no norm and no layer makes the value");
  if (!value.hasOneUse())
    return refused(otherReaders);
  if (isa<LayerNormOp, RmsNormOp>(def))
    return norm(def);
  if (auto op = dyn_cast<LinearOp>(def))
    return layer(op);
  if (auto op = dyn_cast<MulOp>(def))
    return factor(op, channels, depth);
  if (auto op = dyn_cast<ReluOp>(def)) // max(x / s, 0) = max(x, 0) / s for s > 0
    return find(op.getX(), channels, depth + 1);
  if (auto op = dyn_cast<ReshapeOp>(def))
    return heads(op);
  return refused("no norm and no layer makes the value");
}

} // namespace

FoundProducer transform::findProducer(Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  assert(!dims.empty() && dims.back().constantValue() && "layers read channels of one number");
  return find(value, dims.back(), 0);
}

void transform::divideChannels(RewriterBase &rewriter, const Producer &producer, Value s) {
  rewriter.setInsertionPoint(producer.op);
  Location loc = producer.op->getLoc();
  auto divided = [&](Value x, Value by) -> Value {
    return DivOp::create(rewriter, loc, x.getType(), x, by);
  };
  if (auto linear = dyn_cast<LinearOp>(producer.op)) {
    int64_t n = outputsOf(linear);
    auto type = RankedTensorType::get({n, 1}, rewriter.getF32Type());
    Value column = ReshapeOp::create(rewriter, loc, type, s);
    linear.getWeightMutable().assign(divided(linear.getWeight(), column));
    if (linear.getBias())
      linear.getBiasMutable().assign(divided(linear.getBias(), s));
    return;
  }
  auto take = [&](auto op) {
    Value gain = op.getGain() ? divided(op.getGain(), s)
                              : ReciprocalOp::create(rewriter, loc, s.getType(), s).getOut();
    op.getGainMutable().assign(gain);
  };
  if (auto layerNorm = dyn_cast<LayerNormOp>(producer.op)) {
    take(layerNorm);
    if (layerNorm.getBias())
      layerNorm.getBiasMutable().assign(divided(layerNorm.getBias(), s));
  } else {
    take(cast<RmsNormOp>(producer.op));
  }
}
