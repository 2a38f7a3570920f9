// A value-dependent size is counted first, then used.
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_SPLITNONZERO
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc::qnt;

namespace {

struct SplitNonZero : qcc::fuse::impl::SplitNonZeroBase<SplitNonZero> {
  void runOnOperation() override {
    OpBuilder builder(&getContext());
    for (NonZeroOp op : llvm::make_early_inc_range(getOperation().getOps<NonZeroOp>())) {
      builder.setInsertionPoint(op);
      Value count = NonZeroCountOp::create(
          builder, op.getLoc(), RankedTensorType::get({}, builder.getI64Type()), op.getX());
      BindDimOp::create(builder, op.getLoc(), count, op.getSymbol());
    }
  }
};

} // namespace
