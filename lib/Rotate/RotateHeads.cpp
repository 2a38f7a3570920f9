// Value heads of attention turned by a Hadamard matrix, folded into the layers on both sides.
#include "Weights.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Algorithms/Hadamard.h"
#include "qcc/Rotate/Passes.h"

namespace qcc::rotate {
#define GEN_PASS_DEF_ROTATEHEADS
#include "qcc/Rotate/Passes.h.inc"
} // namespace qcc::rotate

using namespace mlir;
using namespace qcc;
using namespace qcc::rotate;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkRotate = remark::RemarkOpts::name("rotate-heads").category("rotate");

/// [B, S, H, E] <-> [B, H, S, E].
bool swapsHeads(TransposeOp op) {
  return op && op.getPermutation() == ArrayRef<int64_t>{0, 2, 1, 3};
}

/// Whether a reshape splits or joins the last axis as [.., H * E] <-> [.., H, E].
bool splitsLast(Value flat, Value heads) {
  SmallVector<DimExpr> f = dimsOf(flat.getType()), h = dimsOf(heads.getType());
  return h.size() == 4 && !f.empty() && f.back() == h[2] * h[3];
}

/// The layers around the values of one attention.
struct Site {
  LinearOp value;
  SmallVector<LinearOp> outputs;
  int64_t width = 0; ///< of a head

  const char *find(AttentionOp attention);
};

const char *Site::find(AttentionOp attention) {
  auto swap = attention.getValue().getDefiningOp<TransposeOp>();
  if (!swapsHeads(swap) || !swap->hasOneUse())
    return "the values are not the transposed heads of a layer, such as those of a cache";
  auto split = swap.getX().getDefiningOp<ReshapeOp>();
  value = split ? split.getX().getDefiningOp<LinearOp>() : LinearOp();
  if (!value || !hasFloatWeights(value) || !split->hasOneUse() || !value->hasOneUse() ||
      !splitsLast(split.getX(), split.getOut()))
    return "no layer with constant weights makes the values for attention alone";
  auto back =
      attention->hasOneUse() ? dyn_cast<TransposeOp>(*attention->user_begin()) : TransposeOp();
  auto join = swapsHeads(back) && back->hasOneUse() ? dyn_cast<ReshapeOp>(*back->user_begin())
                                                    : ReshapeOp();
  if (!join || !splitsLast(join.getOut(), join.getX()))
    return "the heads are not joined behind attention";
  for (OpOperand &use : join.getOut().getUses()) {
    auto layer = dyn_cast<LinearOp>(use.getOwner());
    if (!layer || use.getOperandNumber() != 0 || !hasFloatWeights(layer))
      return "something other than layers with constant weights reads the heads";
    outputs.push_back(layer);
  }
  width = dimsOf(attention.getType())[3].constantValue().value_or(0);
  if (width < 2 || largestHadamardBlock(width) < 2)
    return "no Hadamard matrix divides the width of a head";
  return outputs.empty() ? "nothing reads the heads" : nullptr;
}

/// Balances the channels of values first, as RotateInputs does, at no cost: the rows of the layer
/// that makes them are multiplied by the largest weight that reads each. Not where heads share
/// values: several columns would read one row.
void balance(IRRewriter &rewriter, Site &site) {
  auto rowsOf = [](LinearOp layer, int axis) { return dimsOf(layer.getWeight().getType())[axis]; };
  LinearOp value = site.value;
  if (rowsOf(value, 0) != rowsOf(site.outputs[0], 1))
    return;
  for (LinearOp layer : site.outputs)
    moveAbove(layer.getWeight().getDefiningOp(), value);
  rewriter.setInsertionPoint(value);
  Location loc = value.getLoc();
  Value s = columnMagnitudes(rewriter, site.outputs), weight = value.getWeight();
  int64_t rows = cast<RankedTensorType>(weight.getType()).getDimSize(0);
  Value column =
      ReshapeOp::create(rewriter, loc, RankedTensorType::get({rows, 1}, rewriter.getF32Type()), s);
  value.getWeightMutable().assign(MulOp::create(rewriter, loc, weight.getType(), weight, column));
  if (Value bias = value.getBias())
    value.getBiasMutable().assign(MulOp::create(rewriter, loc, bias.getType(), bias, s));
  for (LinearOp layer : site.outputs) {
    rewriter.setInsertionPoint(layer);
    Value read = layer.getWeight();
    layer.getWeightMutable().assign(DivOp::create(rewriter, loc, read.getType(), read, s));
  }
}

struct RotateHeads : qcc::rotate::impl::RotateHeadsBase<RotateHeads> {
  using RotateHeadsBase::RotateHeadsBase;

  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    for (AttentionOp attention : getOperation().getOps<AttentionOp>()) {
      Site site;
      if (const char *reason = site.find(attention)) {
        remark::missed(attention.getLoc(), remarkRotate) << remark::reason("{0}", reason);
        continue;
      }
      // The same matrix on every head, so that grouped heads agree.
      Rotation rotation{largestHadamardBlock(site.width), seed};
      balance(rewriter, site);
      rotation.foldIntoOutput(rewriter, site.value);
      for (LinearOp layer : site.outputs)
        rotation.foldIntoInput(rewriter, layer);
      remark::passed(attention.getLoc(), remarkRotate)
          << remark::metric("width", site.width) << remark::metric("block", rotation.block);
    }
  }
};

} // namespace
