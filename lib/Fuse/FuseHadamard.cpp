// Rotations of rows together with their codes.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSEHADAMARD
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-hadamard").category("fuse");

/// The quantization of rows that can follow `op` in its kernel, or null.
QuantizeOp rowCodes(HadamardOp op) {
  for (Operation *user : op->getUsers()) {
    auto quantize = dyn_cast<QuantizeOp>(user);
    if (!quantize)
      continue;
    QType type = quantize.getOut().getType();
    if (type.getGranularity() == Granularity::token && type.getStorage() == Storage::i8 &&
        !type.getGroup())
      return quantize;
    remark::missed(quantize.getLoc(), remarkFuse)
        << remark::reason("the codes are not of 8 bits per token");
  }
  return {};
}

struct FuseHadamard : qcc::fuse::impl::FuseHadamardBase<FuseHadamard> {
  void runOnOperation() override {
    forEachBlock(getOperation().getBody().front(), [&](Block &block) { fuseIn(block); });
  }

  void fuseIn(Block &block) {
    SmallVector<HadamardOp> ops(block.getOps<HadamardOp>());
    IRRewriter rewriter(&getContext());
    for (HadamardOp op : ops) {
      uint64_t last = dimsOf(op.getType()).size() - 1;
      if (op->use_empty() || op.getAxis() != last) {
        if (!op->use_empty())
          remark::missed(op.getLoc(), remarkFuse) << remark::reason("another axis rotates");
        continue;
      }
      SmallVector<Operation *> chain = {op};
      if (QuantizeOp codes = rowCodes(op))
        chain.push_back(codes);
      FusedOp fused = makeGroup(rewriter, chain, "hadamard", [](OpOperand &) { return false; });
      remark::passed(fused.getLoc(), remarkFuse)
          << remark::metric("codes", chain.size() > 1 ? "yes" : "no");
    }
    sortBlock(block);
  }
};

} // namespace
