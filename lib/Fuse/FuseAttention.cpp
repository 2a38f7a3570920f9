// Attention that reads and writes transposed heads in place.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSEATTENTION
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-attention").category("fuse");

/// [B, H, S, E] -> [B, S, H, E], the only user of an attention's result.
TransposeOp headsLast(AttentionOp attention) {
  if (!attention->hasOneUse())
    return {};
  auto transpose = dyn_cast<TransposeOp>(*attention->user_begin());
  if (!transpose || transpose.getPermutation() != ArrayRef<int64_t>{0, 2, 1, 3})
    return {};
  return transpose;
}

/// What keys and values are decoded from codes by, each with this attention as its only user.
SmallVector<Operation *> decodersOf(IRRewriter &rewriter, AttentionOp attention) {
  SmallVector<Operation *> decoders;
  for (OpOperand *operand : {&attention.getKeyMutable(), &attention.getValueMutable()}) {
    auto decode = operand->get().getDefiningOp<DecodeRowsOp>();
    if (!decode)
      continue;
    rewriter.setInsertionPoint(attention);
    decoders.push_back(rewriter.clone(*decode));
    decoders.back()->setLoc(attention.getLoc()); // the group is known by the attention
    operand->set(decoders.back()->getResult(0));
  }
  return decoders;
}

struct FuseAttention : qcc::fuse::impl::FuseAttentionBase<FuseAttention> {
  void runOnOperation() override {
    forEachBlock(getOperation().getBody().front(), [&](Block &block) { fuseIn(block); });
  }

  void fuseIn(Block &block) {
    SmallVector<AttentionOp> ops(block.getOps<AttentionOp>());
    IRRewriter rewriter(&getContext());
    for (AttentionOp op : ops) {
      SmallVector<Operation *> chain = decodersOf(rewriter, op);
      chain.push_back(op);
      if (TransposeOp transpose = headsLast(op))
        chain.push_back(transpose);
      auto strided = [&](OpOperand &operand) {
        Value root;
        bool yes = hasStridedAccess(operand.get(), root);
        if (!yes)
          remark::missed(op.getLoc(), remarkFuse)
              << remark::reason("an operand's view has no strides");
        return yes;
      };
      FusedOp fused = makeGroup(rewriter, chain, "attention", strided);
      remark::passed(fused.getLoc(), remarkFuse)
          << remark::metric("operands", static_cast<int64_t>(fused.getInputs().size()));
    }
    eraseDead(block);
    sortBlock(block);
  }
};

} // namespace
