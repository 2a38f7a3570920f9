// qcc-raise-layer-norm: (x - mean x) / sqrt(mean (x - mean x)^2 + epsilon).
#include "Match.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISELAYERNORM
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

/// x, for x - mean x.
Value centred(Value value) {
  auto sub = value.getDefiningOp<SubOp>();
  Value x = sub ? raise::meanOf(sub.getY()) : Value();
  return x && raise::same(x, sub.getX()) ? sub.getX() : Value();
}

struct RaiseLayerNorm : raise::impl::RaiseLayerNormBase<RaiseLayerNorm> {
  void runOnOperation() override {
    SmallVector<Operation *> candidates;
    getOperation().walk([&](Operation *op) {
      if (isa<DivOp, MulOp>(op))
        candidates.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (Operation *op : candidates) {
      auto norm = raise::normalised(op);
      Value x = norm ? centred(norm->numerator) : Value();
      if (!x || x.getType() != op->getResult(0).getType() ||
          !raise::same(norm->square, norm->numerator))
        continue;
      builder.setInsertionPoint(op);
      auto raised = LayerNormOp::create(builder, op->getLoc(), x.getType(), x, Value(), Value(),
                                        llvm::APFloat(norm->epsilon));
      op->getResult(0).replaceAllUsesWith(raised);
      raise::reportRaised(raised, "raise-layer-norm");
    }
    raise::absorbParameters(getOperation());
    raise::eraseDead(getOperation());
    getOperation().walk([&](SubOp sub) { // what is left of other normalisations
      auto mean = sub.getY().getDefiningOp<ReduceOp>();
      if (mean && mean.getKind() == ReduceKind::mean && raise::same(mean.getX(), sub.getX()))
        raise::reportLeft(sub, "raise-layer-norm",
                          raise::meanOf(mean) ? "the centred value is not divided by its deviation"
                                              : "the mean is not over the last axis alone");
    });
  }
};

} // namespace
