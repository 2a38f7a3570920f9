// Linear layers on codes.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_QUANTIZELINEAR
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkQuantize =
    remark::RemarkOpts::name("quantize-linear").category("quantize");

/// Why codes of `x` and `weight` have no integer product, or nothing.
std::optional<StringRef> whyNot(QType x, QType weight) {
  if (x.getGranularity() != Granularity::token || x.getStorage() != Storage::i8)
    return "the input is not 8-bit codes per token";
  bool perChannel = weight.getGranularity() == Granularity::axis && weight.getAxis() == 0;
  bool blocks = weight.getGranularity() == Granularity::block && weight.getAxis() == 1;
  if (!perChannel && !blocks)
    return "the weight is neither per output channel nor in blocks along K";
  if (perChannel && (weight.getStorage() != Storage::i8 || weight.getZero()))
    return "weights per channel need symmetric 8-bit codes";
  if (blocks && weight.getBits() != 4)
    return "weights in blocks need 4-bit codes";
  if (blocks && x.getZero())
    return "weights in blocks need symmetric inputs";
  if (weight.getZero() && !weight.getZero().isInteger())
    return "floating zero points have no integer product";
  if (x.getBlock() != (blocks ? weight.getBlock() : 0))
    return "the input does not carry the sums that the weight needs";
  int64_t length =
      blocks ? weight.getBlock() : dimsOf(weight)[1].constantValue().value_or(INT64_MAX);
  if (length > (int64_t(1) << 31) / (255 * 128))
    return "a sum of products could overflow 32 bits";
  return std::nullopt;
}

struct QuantizeLinear : qcc::quantize::impl::QuantizeLinearBase<QuantizeLinear> {
  void runOnOperation() override {
    SmallVector<LinearOp> ops(getOperation().getOps<LinearOp>());
    IRRewriter rewriter(&getContext());
    for (LinearOp op : ops) {
      auto x = op.getX().getDefiningOp<DequantizeOp>();
      auto weight = op.getWeight().getDefiningOp<DequantizeOp>();
      if (!x || !weight)
        continue;
      if (auto reason = whyNot(x.getX().getType(), weight.getX().getType())) {
        remark::missed(op.getLoc(), remarkQuantize) << remark::reason("{0}", *reason);
        continue;
      }
      rewriter.setInsertionPoint(op);
      auto layer = rewriter.replaceOpWithNewOp<QLinearOp>(op, op.getType(), x.getX(), weight.getX(),
                                                          op.getBias());
      remark::passed(layer.getLoc(), remarkQuantize)
          << remark::metric("bits", static_cast<int64_t>(layer.getWeight().getType().getBits()));
      for (DequantizeOp dead : {x, weight})
        if (dead->use_empty())
          rewriter.eraseOp(dead);
    }
  }
};

} // namespace
