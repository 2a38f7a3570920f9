// Elementwise successors in the epilogue of linear layers.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_FUSELINEAR
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkFuse = remark::RemarkOpts::name("fuse-linear").category("fuse");

/// Scalars, one value per column, one per row, or the result's own dimensions.
bool isEpilogueOperand(Value value, ArrayRef<DimExpr> out) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  bool lead = llvm::all_of(ArrayRef(dims).drop_back(dims.empty() ? 0 : 1),
                           [](DimExpr dim) { return dim.isConstant(1); });
  if (dims.empty() || (lead && (dims.back().isConstant(1) || dims.back() == out.back())))
    return true;
  if (dims.size() != out.size() || ArrayRef(dims).drop_back() != out.drop_back())
    return false;
  return dims.back() == out.back() || dims.back().isConstant(1);
}

/// The op that can follow `value` in the epilogue, or null.
Operation *nextLink(Value value, ArrayRef<DimExpr> dims) {
  if (!value.hasOneUse()) {
    remark::missed(value.getLoc(), remarkFuse) << remark::reason("the value has several users");
    return nullptr;
  }
  Operation *user = *value.user_begin();
  if (!user->hasTrait<Elementwise>() || ArrayRef(dimsOf(user->getResult(0).getType())) != dims)
    return nullptr;
  for (Value operand : user->getOperands()) {
    if (operand == value)
      continue;
    // Views would have to be addressed by row and column; only whole values are.
    if (isView(operand.getDefiningOp()) || !isEpilogueOperand(operand, dims)) {
      remark::missed(user->getLoc(), remarkFuse)
          << remark::reason("an operand broadcasts along neither rows nor columns");
      return nullptr;
    }
  }
  return user;
}

/// Products in float read floats: codes of activations are dequantized by a kernel of their own.
void readFloats(IRRewriter &rewriter, QLinearOp layer) {
  Value x = layer.getX();
  if (!isa<QType>(x.getType()) ||
      productOf(x.getType(), layer.getWeight().getType()) != Product::FloatSums)
    return;
  rewriter.setInsertionPoint(layer);
  auto type = makeTensorType(dimsOf(x.getType()), rewriter.getF32Type());
  layer.getXMutable().assign(DequantizeOp::create(rewriter, layer.getLoc(), type, x));
}

/// The side path of outliers that `link` adds to `value`, if nothing else reads it.
Operation *sidePath(Operation *link, Value value) {
  for (Value operand : link->getOperands()) {
    auto sparse = operand.getDefiningOp<SparseLinearOp>();
    if (operand != value && sparse && operand.hasOneUse() && !isView(sparse.getX().getDefiningOp()))
      return sparse;
  }
  return nullptr;
}

struct FuseLinear : qcc::fuse::impl::FuseLinearBase<FuseLinear> {
  void runOnOperation() override {
    forEachBlock(getOperation().getBody().front(), [&](Block &block) { fuseIn(block); });
  }

  void fuseIn(Block &block) {
    SmallVector<Operation *> roots;
    for (Operation &op : block)
      if (isa<LinearOp, QLinearOp>(op))
        roots.push_back(&op);
    IRRewriter rewriter(&getContext());
    for (Operation *root : roots)
      if (auto layer = dyn_cast<QLinearOp>(root))
        readFloats(rewriter, layer);
    for (Operation *root : roots) {
      SmallVector<Operation *> chain = {root};
      SmallVector<DimExpr> dims = dimsOf(root->getResult(0).getType());
      while (Operation *next = nextLink(chain.back()->getResult(0), dims)) {
        if (Operation *side = sidePath(next, chain.back()->getResult(0)))
          chain.push_back(side);
        chain.push_back(next);
      }
      // Only the chain itself is inside: operands keep their own producers.
      FusedOp fused = makeGroup(rewriter, chain, isa<QLinearOp>(root) ? "qlinear" : "linear",
                                [](OpOperand &) { return false; });
      remark::passed(fused.getLoc(), remarkFuse)
          << remark::metric("epilogue", static_cast<int64_t>(chain.size() - 1));
    }
    sortBlock(block);
  }
};

} // namespace
