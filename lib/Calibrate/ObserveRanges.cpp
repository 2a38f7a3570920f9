// Observers on the inputs of linear layers.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Calibrate/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"

namespace qcc::calibrate {
#define GEN_PASS_DEF_OBSERVERANGES
#include "qcc/Calibrate/Passes.h.inc"
} // namespace qcc::calibrate

using namespace mlir;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkObserve =
    remark::RemarkOpts::name("observe-ranges").category("calibrate");

/// The node's name, or a number, made unique.
std::string idFor(LinearOp layer, llvm::StringSet<> &taken) {
  std::string base = nodeName(layer.getLoc()).str(), id = base;
  if (base.empty())
    base = "layer";
  for (int i = 0; id.empty() || !taken.insert(id).second; ++i)
    id = base + "." + std::to_string(i);
  return id;
}

/// Why the input of `layer` is not observed, or null.
const char *whyNot(LinearOp layer) {
  Operation *def = layer.getX().getDefiningOp();
  if (isa_and_nonnull<UseOp, ConstantOp>(def))
    return "the input is constant";
  if (isa_and_nonnull<ObserveOp>(def))
    return "the input is observed already";
  return nullptr;
}

struct ObserveRanges : qcc::calibrate::impl::ObserveRangesBase<ObserveRanges> {
  void runOnOperation() override {
    llvm::MapVector<Value, SmallVector<LinearOp>> readers;
    llvm::StringSet<> taken;
    for (ObserveOp op : getOperation().getOps<ObserveOp>())
      taken.insert(op.getId());
    for (LinearOp layer : getOperation().getOps<LinearOp>()) {
      if (const char *reason = whyNot(layer)) {
        remark::missed(layer.getLoc(), remarkObserve) << remark::reason("{0}", reason);
        continue;
      }
      readers[layer.getX()].push_back(layer);
    }
    IRRewriter rewriter(&getContext());
    for (auto &[value, layers] : readers) {
      rewriter.setInsertionPointAfterValue(value);
      auto observe = ObserveOp::create(rewriter, layers.front().getLoc(), value.getType(), value,
                                       idFor(layers.front(), taken));
      for (LinearOp layer : layers)
        layer.getXMutable().assign(observe.getOut());
      remark::passed(observe.getLoc(), remarkObserve)
          << remark::metric("id", observe.getId().str())
          << remark::metric("layers", static_cast<int64_t>(layers.size()));
    }
  }
};

} // namespace
