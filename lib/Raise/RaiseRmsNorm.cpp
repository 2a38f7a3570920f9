// qcc-raise-rms-norm: x / sqrt(mean x^2 + epsilon).
#include "Match.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISERMSNORM
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

struct RaiseRmsNorm : raise::impl::RaiseRmsNormBase<RaiseRmsNorm> {
  void runOnOperation() override {
    SmallVector<Operation *> candidates;
    getOperation().walk([&](Operation *op) {
      if (isa<DivOp, MulOp>(op))
        candidates.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (Operation *op : candidates) {
      auto norm = raise::normalised(op);
      if (!norm || !raise::same(norm->square, norm->numerator))
        continue;
      builder.setInsertionPoint(op);
      auto raised = RmsNormOp::create(builder, op->getLoc(), norm->numerator.getType(),
                                      norm->numerator, Value(), llvm::APFloat(norm->epsilon));
      op->getResult(0).replaceAllUsesWith(raised);
      raise::reportRaised(raised, "raise-rms-norm");
    }
    raise::absorbParameters(getOperation());
    raise::eraseDead(getOperation());
    getOperation().walk([&](ReduceOp reduce) {
      if (reduce.getKind() == ReduceKind::mean && raise::squareOf(reduce.getX()))
        raise::reportLeft(reduce, "raise-rms-norm",
                          raise::meanOf(reduce)
                              ? "the mean square divides no value that was squared"
                              : "the mean is not over the last axis alone");
    });
  }
};

} // namespace
