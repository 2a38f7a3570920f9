// qcc-raise-linear: products with constant matrices, their biases and natural dimensions.
#include "Match.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISELINEAR
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

void raiseMatmul(MatmulOp op) {
  if (dimsOf(op.getY().getType()).size() != 2 || !raise::isConstant(op.getY()) ||
      !isa<FloatType>(elementTypeOf(op.getType())))
    return;
  OpBuilder builder(op);
  Value weight = op.getTransposeY() ? op.getY() : raise::swapLast(builder, op.getY());
  auto linear = LinearOp::create(builder, op.getLoc(), op.getType(), op.getX(), weight, Value());
  op.getResult().replaceAllUsesWith(linear);
  op.erase();
  raise::reportRaised(linear, "raise-linear");
}

/// Codes with one scale for all are those of x reshaped, which a product can read.
void readCodesThroughReshape(LinearOp op) {
  Value seen = op.getX();
  while (auto view = seen.getDefiningOp<ReshapeOp>())
    seen = view.getX();
  auto real = seen.getDefiningOp<DequantizeOp>();
  auto fixed = real ? real.getX().getDefiningOp<QuantizeStaticOp>() : QuantizeStaticOp();
  if (!fixed || seen == op.getX())
    return;
  OpBuilder builder(op);
  SmallVector<DimExpr> dims = dimsOf(op.getX().getType());
  Value x = raise::reshapeTo(builder, fixed.getX(), dims);
  QType codes = fixed.getOut().getType().withDims(makeDims(op.getContext(), dims));
  auto moved =
      QuantizeStaticOp::create(builder, fixed.getLoc(), codes, x, fixed.getShift(),
                               fixed.getScaleAttr(), fixed.getZeroAttr(), fixed.getFullAttr());
  op.getXMutable().assign(
      DequantizeOp::create(builder, real.getLoc(), op.getX().getType(), moved.getOut()));
}

/// reshape(linear(reshape x)) with kept last dimension works on the outer dimensions.
void unflatten(LinearOp op) {
  auto user = raise::onlyUser<ReshapeOp>(op.getResult());
  if (!user || !op.getX().getDefiningOp<ReshapeOp>())
    return;
  SmallVector<DimExpr> in = dimsOf(op.getX().getType()), out = dimsOf(user.getType());
  if (out.size() < 2 || out.back() != dimsOf(op.getType()).back())
    return;
  out.back() = in.back();
  OpBuilder builder(op);
  op.getXMutable().assign(raise::reshapeTo(builder, op.getX(), out));
  op.getResult().setType(cast<RankedTensorType>(user.getType()));
  user.getResult().replaceAllUsesWith(op.getResult());
  user.erase();
}

void absorbBias(LinearOp op) {
  if (op.getBias())
    return;
  for (Operation *user : op->getUsers()) {
    auto add = dyn_cast<AddOp>(user);
    if (!add)
      continue;
    Value other = add.getX() == op.getResult() ? add.getY() : add.getX();
    if (dimsOf(other.getType()).size() > 1 && !raise::isConstant(other))
      continue; // a residual
    OpBuilder builder(add);
    Value bias = raise::asVector(builder, other, dimsOf(op.getType()).back());
    StringRef why = !raise::isConstant(other)     ? "the vector added to it is computed"
                    : !op.getResult().hasOneUse() ? "the product is read before the sum"
                    : !bias || add.getType() != op.getType()
                        ? "the constant added to it is no vector"
                        : "";
    if (!why.empty())
      return raise::reportLeft(op, "raise-linear", why);
    op->moveBefore(add);
    op.getBiasMutable().assign(bias);
    add.getResult().replaceAllUsesWith(op.getResult());
    add.erase();
    return raise::reportRaised(op, "raise-linear");
  }
}

struct RaiseLinear : raise::impl::RaiseLinearBase<RaiseLinear> {
  void runOnOperation() override {
    SmallVector<MatmulOp> products;
    getOperation().walk([&](MatmulOp op) { products.push_back(op); });
    llvm::for_each(products, raiseMatmul);
    SmallVector<LinearOp> layers;
    getOperation().walk([&](LinearOp op) { layers.push_back(op); });
    llvm::for_each(layers, unflatten);
    llvm::for_each(layers, readCodesThroughReshape);
    llvm::for_each(layers, absorbBias);
    raise::eraseDead(getOperation());
  }
};

} // namespace
