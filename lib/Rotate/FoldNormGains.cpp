// Gains and biases of normalisations, moved into the layers that follow.
#include "Weights.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Rotate/Passes.h"

namespace qcc::rotate {
#define GEN_PASS_DEF_FOLDNORMGAINS
#include "qcc/Rotate/Passes.h.inc"
} // namespace qcc::rotate

using namespace mlir;
using namespace qcc::rotate;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFold =
    remark::RemarkOpts::name("fold-norm-gains").category("rotate");

/// What a norm multiplies and adds; null where it does not.
struct Affine {
  Value gain, bias;
};

Affine affineOf(Operation *norm) {
  if (auto layerNorm = dyn_cast<LayerNormOp>(norm))
    return {layerNorm.getGain(), layerNorm.getBias()};
  return {cast<RmsNormOp>(norm).getGain(), {}};
}

/// Why gain and bias cannot move into the readers of `norm`, or null.
const char *whyNot(Operation *norm, Affine affine) {
  if ((affine.gain && !isConstant(affine.gain)) || (affine.bias && !isConstant(affine.bias)))
    return "the gain or bias is computed";
  for (OpOperand &use : norm->getResult(0).getUses()) {
    auto layer = dyn_cast<LinearOp>(use.getOwner());
    if (!layer || use.getOperandNumber() != 0)
      return "something other than a layer reads the norm";
    if (!isa<RankedTensorType>(layer.getWeight().getType()) || !isConstant(layer.getWeight()))
      return "the weight of a layer is computed or came quantized";
    if (layer.getWeight().getDefiningOp<DequantizeOp>())
      return "the weight of a layer is computed or came quantized";
    if (elementTypeOf(layer.getWeight().getType()) != elementTypeOf(norm->getResult(0).getType()))
      return "the weight of a layer has another element type";
    if (layer.getBias() && !isConstant(layer.getBias()))
      return "the bias of a layer is computed";
  }
  return nullptr;
}

/// The layer on the norm's result before gain and bias.
void foldInto(IRRewriter &rewriter, LinearOp layer, Affine affine) {
  rewriter.setInsertionPoint(layer);
  Location loc = layer.getLoc();
  Value weight = layer.getWeight();
  Type type = weight.getType(), element = elementTypeOf(type);
  SmallVector<DimExpr> dims = dimsOf(type);
  DimExpr one = DimExpr::constant(layer.getContext(), 1);
  if (affine.bias) {
    Value column =
        ReshapeOp::create(rewriter, loc, makeTensorType({dims[1], one}, element), affine.bias);
    Value product =
        MatmulOp::create(rewriter, loc, makeTensorType({dims[0], one}, element), weight, column);
    Type biasType = makeTensorType({dims[0]}, element);
    Value bias = ReshapeOp::create(rewriter, loc, biasType, product);
    if (layer.getBias())
      bias = AddOp::create(rewriter, loc, biasType, layer.getBias(), bias);
    layer.getBiasMutable().assign(bias);
  }
  if (affine.gain)
    layer.getWeightMutable().assign(MulOp::create(rewriter, loc, type, weight, affine.gain));
}

struct FoldNormGains : qcc::rotate::impl::FoldNormGainsBase<FoldNormGains> {
  void runOnOperation() override {
    SmallVector<Operation *> norms;
    for (Operation &op : getOperation().getBody().front())
      if (isa<LayerNormOp, RmsNormOp>(op))
        norms.push_back(&op);
    IRRewriter rewriter(&getContext());
    for (Operation *norm : norms) {
      Affine affine = affineOf(norm);
      if ((!affine.gain && !affine.bias) || norm->use_empty())
        continue;
      if (const char *reason = whyNot(norm, affine)) {
        remark::missed(norm->getLoc(), remarkFold) << remark::reason("{0}", reason);
        continue;
      }
      SmallVector<LinearOp> layers;
      for (Operation *user : norm->getResult(0).getUsers())
        layers.push_back(cast<LinearOp>(user));
      for (LinearOp layer : layers)
        foldInto(rewriter, layer, affine);
      if (auto layerNorm = dyn_cast<LayerNormOp>(norm)) {
        layerNorm.getGainMutable().clear();
        layerNorm.getBiasMutable().clear();
      } else {
        cast<RmsNormOp>(norm).getGainMutable().clear();
      }
      remark::passed(norm->getLoc(), remarkFold)
          << remark::metric("layers", static_cast<int64_t>(layers.size()));
    }
  }
};

} // namespace
