// Reductions over the last axis only.
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_NORMALIZEREDUCTIONS
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc::qnt;

namespace {

void normalize(IRRewriter &rewriter, ReduceOp op) {
  Value x = op.getX();
  SmallVector<DimExpr> dims = dimsOf(x.getType()), kept, reducedDims;
  SmallVector<int64_t> permutation;
  Type element = elementTypeOf(x.getType());
  DimExpr length = DimExpr::constant(op.getContext(), 1);
  for (auto [i, dim] : llvm::enumerate(dims))
    if (!llvm::is_contained(op.getAxes(), static_cast<int64_t>(i))) {
      permutation.push_back(i);
      kept.push_back(dim);
    }
  reducedDims = kept;
  for (int64_t axis : op.getAxes()) {
    permutation.push_back(axis);
    reducedDims.push_back(dims[axis]);
    length = length * dims[axis];
  }
  int64_t last = static_cast<int64_t>(dims.size()) - 1;
  if (op.getAxes().size() == 1 && op.getAxes()[0] == last && op.getKeepDims())
    return;
  rewriter.setInsertionPoint(op);
  Location loc = op.getLoc();
  bool extreme = op.getKind() == ReduceKind::max || op.getKind() == ReduceKind::min;
  if (extreme && kept.empty() && dims.size() > 1) {
    SmallVector<DimExpr> rows = dims;
    rows.back() = DimExpr::constant(op.getContext(), 1);
    x = ReduceOp::create(rewriter, loc, makeTensorType(rows, element), op.getKindAttr(), x,
                         rewriter.getDenseI64ArrayAttr({last}), rewriter.getBoolAttr(true));
    length = elementCount(op.getContext(), rows);
  }
  if (!llvm::is_sorted(permutation))
    x = TransposeOp::create(rewriter, loc, makeTensorType(reducedDims, element), x,
                            rewriter.getDenseI64ArrayAttr(permutation));
  SmallVector<DimExpr> merged = kept, scalars = kept;
  merged.push_back(length);
  scalars.push_back(DimExpr::constant(op.getContext(), 1));
  if (op.getAxes().size() != 1)
    x = ReshapeOp::create(rewriter, loc, makeTensorType(merged, element), x);
  Value sum = ReduceOp::create(rewriter, loc, makeTensorType(scalars, element), op.getKindAttr(), x,
                               rewriter.getDenseI64ArrayAttr({int64_t(kept.size())}),
                               rewriter.getBoolAttr(true));
  rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getType(), sum);
}

struct NormalizeReductions : qcc::fuse::impl::NormalizeReductionsBase<NormalizeReductions> {
  void runOnOperation() override {
    SmallVector<ReduceOp> ops;
    forEachBlock(getOperation().getBody().front(),
                 [&](Block &block) { llvm::append_range(ops, block.getOps<ReduceOp>()); });
    IRRewriter rewriter(&getContext());
    for (ReduceOp op : ops)
      normalize(rewriter, op);
  }
};

} // namespace
