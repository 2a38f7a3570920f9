// qcc-raise-silu: x * sigmoid(x).
#include "Match.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISESILU
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

/// x, for x / (1 + exp(-x)).
Value quotientForm(DivOp div) {
  Value term = raise::otherOperand<AddOp>(div.getY(), [](Value y) { return raise::isSplat(y, 1); });
  auto exp = term ? term.getDefiningOp<ExpOp>() : ExpOp();
  auto neg = exp ? exp.getX().getDefiningOp<NegOp>() : NegOp();
  bool fits = neg && raise::same(neg.getX(), div.getX()) && neg.getX().getType() == div.getType();
  return fits ? div.getX() : Value();
}

struct RaiseSilu : raise::impl::RaiseSiluBase<RaiseSilu> {
  void replace(Operation *root, Value x) {
    OpBuilder builder(root);
    auto silu = SiluOp::create(builder, root->getLoc(), x.getType(), x);
    root->getResult(0).replaceAllUsesWith(silu);
    raise::reportRaised(silu, "raise-silu");
  }

  void runOnOperation() override {
    SmallVector<Operation *> anchors;
    getOperation().walk([&](Operation *op) {
      if (isa<SigmoidOp, DivOp>(op))
        anchors.push_back(op);
    });
    for (Operation *op : anchors) {
      if (auto div = dyn_cast<DivOp>(op)) {
        if (Value x = quotientForm(div))
          replace(div, x);
        continue;
      }
      auto sigmoid = cast<SigmoidOp>(op);
      if (Operation *root = raise::findProduct(sigmoid, 1, {sigmoid.getX(), sigmoid.getResult()}))
        replace(root, sigmoid.getX());
      else
        raise::reportLeft(op, "raise-silu", "the sigmoid is not multiplied by its argument alone");
    }
    raise::eraseDead(getOperation());
  }
};

} // namespace
