// Past, new rows and present of a decoder as one cache in place.
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSECACHE
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-cache").category("fuse");

/// Whether `use` is that of keys or values by attention, as they are or decoded.
bool isReadByAttention(OpOperand &use) {
  if (auto decoded = dyn_cast<DecodeRowsOp>(use.getOwner()))
    return llvm::all_of(decoded->getUses(), isReadByAttention);
  return isa<AttentionOp>(use.getOwner()) &&
         (use.getOperandNumber() == 1 || use.getOperandNumber() == 2);
}

/// The function result that `concat` is, if all its other users are attention.
OpOperand *presentOf(ConcatOp concat) {
  OpOperand *present = nullptr;
  for (OpOperand &use : concat.getOut().getUses()) {
    Operation *user = use.getOwner();
    if (isa<func::ReturnOp>(user)) {
      if (present) {
        remark::missed(concat.getLoc(), remarkFuse)
            << remark::reason("the cache is several results");
        return nullptr;
      }
      present = &use;
      continue;
    }
    if (!isReadByAttention(use)) {
      remark::missed(concat.getLoc(), remarkFuse)
          << remark::reason("something other than attention reads the cache");
      return nullptr;
    }
  }
  return present;
}

/// Whether new rows are put behind an input's.
bool extendsPast(ConcatOp concat) {
  return concat.getInputs().size() == 2 && concat.getAxis() == 2 &&
         dimsOf(concat.getType()).size() == 4 && isa<BlockArgument>(concat.getInputs()[0]);
}

void fuseCache(IRRewriter &rewriter, ConcatOp concat) {
  if (!extendsPast(concat))
    return;
  auto past = cast<BlockArgument>(concat.getInputs()[0]);
  OpOperand *present = presentOf(concat);
  if (!present)
    return;
  if (!past.hasOneUse()) {
    remark::missed(concat.getLoc(), remarkFuse) << remark::reason("something else reads the past");
    return;
  }
  Type element = elementTypeOf(concat.getType());
  auto cacheOf = [&](Type type) {
    return KvType::get(rewriter.getContext(), makeDims(rewriter.getContext(), dimsOf(type)),
                       element);
  };
  rewriter.setInsertionPoint(concat);
  Location loc = concat.getLoc();
  Value begin = KvBeginOp::create(rewriter, loc, cacheOf(past.getType()), past,
                                  rewriter.getI64IntegerAttr(present->getOperandNumber()));
  Value cache =
      KvAppendOp::create(rewriter, loc, cacheOf(concat.getType()), begin, concat.getInputs()[1]);
  Value result = KvResultOp::create(rewriter, loc, concat.getType(), cache);
  present->set(result);
  rewriter.replaceAllUsesWith(concat.getOut(), cache);
  rewriter.eraseOp(concat);
  remark::passed(loc, remarkFuse) << remark::metric("output", int64_t(present->getOperandNumber()));
}

struct FuseCache : qcc::fuse::impl::FuseCacheBase<FuseCache> {
  void runOnOperation() override {
    // Caches are written when they are computed, results of a body in segments only in the last.
    bool segments = !getOperation().getOps<BindDimOp>().empty();
    SmallVector<ConcatOp> concats(getOperation().getOps<ConcatOp>());
    IRRewriter rewriter(&getContext());
    for (ConcatOp concat : concats)
      if (!segments)
        fuseCache(rewriter, concat);
      else if (extendsPast(concat))
        remark::missed(concat.getLoc(), remarkFuse)
            << remark::reason("the model computes sizes while it runs");
  }
};

} // namespace
