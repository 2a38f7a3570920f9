// Embedding look-ups in quantized tables.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_QUANTIZEGATHER
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkQuantize =
    remark::RemarkOpts::name("quantize-gather").category("quantize");

/// Why `op` cannot look up codes of `type`, or nothing.
std::optional<StringRef> whyNot(GatherOp op, QType type) {
  if (op.getAxis() != 0 || dimsOf(type).size() != 2)
    return "rows of a matrix are looked up, nothing else";
  bool perRow = type.getGranularity() == Granularity::axis && type.getAxis() == 0;
  bool blocks = type.getGranularity() == Granularity::block && type.getAxis() == 1;
  if (!perRow && !blocks)
    return "the table is neither per row nor in blocks of a row";
  return std::nullopt;
}

struct QuantizeGather : qcc::quantize::impl::QuantizeGatherBase<QuantizeGather> {
  void runOnOperation() override {
    SmallVector<GatherOp> ops(getOperation().getOps<GatherOp>());
    IRRewriter rewriter(&getContext());
    for (GatherOp op : ops) {
      auto dequantize = op.getX().getDefiningOp<DequantizeOp>();
      if (!dequantize)
        continue;
      if (auto reason = whyNot(op, dequantize.getX().getType())) {
        remark::missed(op.getLoc(), remarkQuantize) << remark::reason("{0}", *reason);
        continue;
      }
      rewriter.setInsertionPoint(op);
      auto lookUp = rewriter.replaceOpWithNewOp<QGatherOp>(op, op.getType(), dequantize.getX(),
                                                           op.getIndices());
      remark::passed(lookUp.getLoc(), remarkQuantize)
          << remark::metric("bits", static_cast<int64_t>(lookUp.getTable().getType().getBits()));
      if (dequantize->use_empty())
        rewriter.eraseOp(dequantize);
    }
  }
};

} // namespace
