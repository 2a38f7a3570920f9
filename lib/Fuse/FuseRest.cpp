// Every op that is left becomes a kernel of its own.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSEREST
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-rest").category("fuse");

/// The append that rows are encoded for: they are written to the cache as they are made.
KvAppendOp appendOf(EncodeRowsOp encode) {
  return encode->hasOneUse() ? dyn_cast<KvAppendOp>(*encode->user_begin()) : KvAppendOp();
}

/// Ops that cost nothing at run time, are groups already, or are computed by the application.
bool needsNoKernel(Operation *op) {
  if (auto encode = dyn_cast<EncodeRowsOp>(op); encode && appendOf(encode))
    return true;
  return isa<FusedOp, UseOp, ConstantOp, ReshapeOp, DimTensorOp, RequireEqualOp, KvResultOp,
             BindDimOp, HostCallOp, LoopOp>(op) ||
         op->hasTrait<OpTrait::IsTerminator>();
}

/// The ops of the group that `op` makes, in order.
SmallVector<Operation *> groupOf(Operation *op) {
  auto append = dyn_cast<KvAppendOp>(op);
  auto encode = append ? append.getRows().getDefiningOp<EncodeRowsOp>() : EncodeRowsOp();
  if (encode && appendOf(encode))
    return {encode, op};
  return {op};
}

/// A result that is an argument, a weight, a constant or another result gets a copy of its own.
void giveResultsStorage(IRRewriter &rewriter, Operation *terminator) {
  llvm::DenseSet<Value> taken;
  // Results exist when the last segment runs.
  Operation *lastBinding = nullptr;
  for (BindDimOp binding : terminator->getBlock()->getOps<BindDimOp>())
    lastBinding = binding;
  rewriter.setInsertionPoint(terminator);
  for (OpOperand &operand : terminator->getOpOperands()) {
    Value base = operand.get();
    while (auto reshape = base.getDefiningOp<ReshapeOp>())
      base = reshape.getX();
    Operation *def = base.getDefiningOp();
    bool owns = def && !isa<UseOp, ConstantOp, DimTensorOp, LoopOp>(def) &&
                (!lastBinding || lastBinding->isBeforeInBlock(def));
    if (owns && taken.insert(base).second)
      continue;
    operand.set(
        IdentityOp::create(rewriter, terminator->getLoc(), operand.get().getType(), operand.get()));
  }
}

/// A next state that is another state gets a copy of its own: states are written one by one.
void keepStatesApart(IRRewriter &rewriter, LoopOp loop) {
  Operation *yield = loop.getBody().front().getTerminator();
  rewriter.setInsertionPoint(yield);
  for (auto [i, argument] : llvm::enumerate(loop.getStateArguments())) {
    Value next = yield->getOperand(i), base = next;
    while (auto reshape = base.getDefiningOp<ReshapeOp>())
      base = reshape.getX();
    if (llvm::is_contained(loop.getStateArguments(), base) && base != argument)
      yield->setOperand(i, IdentityOp::create(rewriter, loop.getLoc(), next.getType(), next));
  }
}

struct FuseRest : qcc::fuse::impl::FuseRestBase<FuseRest> {
  void runOnOperation() override {
    forEachBlock(getOperation().getBody().front(), [&](Block &block) { fuseIn(block); });
  }

  void fuseIn(Block &block) {
    IRRewriter rewriter(&getContext());
    if (auto loop = dyn_cast<LoopOp>(block.getParentOp()))
      keepStatesApart(rewriter, loop);
    else
      giveResultsStorage(rewriter, block.getTerminator());
    SmallVector<Operation *> rest;
    for (Operation &op : block)
      if (!needsNoKernel(&op))
        rest.push_back(&op);
    // Users first, so that a chain of views becomes one copy.
    for (Operation *op : llvm::reverse(rest)) {
      if (op->use_empty() && isMemoryEffectFree(op)) {
        rewriter.eraseOp(op);
        continue;
      }
      bool copy = isView(op) || isa<IdentityOp>(op);
      StringRef kind = copy ? "map" : op->getName().stripDialect();
      // These read strided operands themselves.
      bool strided = copy || isa<RopeOp, KvAppendOp, EncodeRowsOp, DecodeRowsOp>(op);
      FusedOp fused = makeGroup(rewriter, groupOf(op), kind, [&](OpOperand &) { return strided; });
      remark::passed(fused.getLoc(), remarkFuse) << remark::metric("kind", kind.str());
    }
    eraseDead(block);
    sortBlock(block);
  }
};

} // namespace
