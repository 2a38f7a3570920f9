// Normalisations, softmax and compound reductions as simple reductions and elementwise ops.
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "qcc/Lower/Passes.h"

namespace qcc::lower {
#define GEN_PASS_DEF_EXPANDROWS
#include "qcc/Lower/Passes.h.inc"
} // namespace qcc::lower

using namespace mlir;
using namespace qcc::qnt;

namespace {

/// Row arithmetic at one place.
struct Rows {
  IRRewriter &rewriter;
  Location loc;
  Type element;

  SmallVector<DimExpr> scalarDims(Value x) {
    SmallVector<DimExpr> dims = dimsOf(x.getType());
    dims.back() = DimExpr::constant(rewriter.getContext(), 1);
    return dims;
  }
  Value reduce(ReduceKind kind, Value x) {
    int64_t axis = dimsOf(x.getType()).size() - 1;
    return ReduceOp::create(rewriter, loc, makeTensorType(scalarDims(x), element),
                            ReduceKindAttr::get(rewriter.getContext(), kind), x,
                            rewriter.getDenseI64ArrayAttr(axis), rewriter.getBoolAttr(true));
  }
  Value constant(double value) {
    auto type = RankedTensorType::get({}, element);
    Attribute number = isa<FloatType>(element)
                           ? Attribute(rewriter.getFloatAttr(element, value))
                           : Attribute(IntegerAttr::get(element, static_cast<int64_t>(value)));
    return ConstantOp::create(rewriter, loc, DenseElementsAttr::get(type, number));
  }
  template <typename Op> Value unary(Value x) { return Op::create(rewriter, loc, x.getType(), x); }
  template <typename Op> Value binary(Value x, Value y) {
    auto dims = broadcastDims(dimsOf(x.getType()), dimsOf(y.getType()));
    return Op::create(rewriter, loc, makeTensorType(*dims, element), x, y);
  }
  /// Size of the last axis of x as a number of the element type.
  Value length(Value x) {
    MLIRContext *context = rewriter.getContext();
    Value size =
        DimTensorOp::create(rewriter, loc, RankedTensorType::get({}, rewriter.getI64Type()),
                            makeDims(context, dimsOf(x.getType()).back()));
    return CastOp::create(rewriter, loc, RankedTensorType::get({}, element), size);
  }
  Value mean(Value x) { return binary<DivOp>(reduce(ReduceKind::sum, x), length(x)); }
  Value square(Value x) { return binary<MulOp>(x, x); }
  /// 1 / sqrt(x + epsilon).
  Value inverseRoot(Value x, double epsilon) {
    return unary<ReciprocalOp>(unary<SqrtOp>(binary<AddOp>(x, constant(epsilon))));
  }
};

Value expandSoftmax(Rows rows, SoftmaxOp op) {
  Value x = op.getX();
  Value shifted = rows.binary<SubOp>(x, rows.reduce(ReduceKind::max, x));
  Value powers = rows.unary<ExpOp>(shifted);
  Value sum = rows.reduce(ReduceKind::sum, powers);
  if (op.getLog())
    return rows.binary<SubOp>(shifted, rows.unary<LogOp>(sum));
  return rows.binary<MulOp>(powers, rows.unary<ReciprocalOp>(sum));
}

Value expandLayerNorm(Rows rows, LayerNormOp op) {
  Value centred = rows.binary<SubOp>(op.getX(), rows.mean(op.getX()));
  Value variance = rows.mean(rows.square(centred));
  Value out =
      rows.binary<MulOp>(centred, rows.inverseRoot(variance, op.getEpsilon().convertToDouble()));
  if (op.getGain())
    out = rows.binary<MulOp>(out, op.getGain());
  return op.getBias() ? rows.binary<AddOp>(out, op.getBias()) : out;
}

Value expandRmsNorm(Rows rows, RmsNormOp op) {
  Value scale =
      rows.inverseRoot(rows.mean(rows.square(op.getX())), op.getEpsilon().convertToDouble());
  Value out = rows.binary<MulOp>(op.getX(), scale);
  return op.getGain() ? rows.binary<MulOp>(out, op.getGain()) : out;
}

/// Null for the kinds that need no expansion.
Value expandReduce(Rows rows, ReduceOp op) {
  Value x = op.getX();
  switch (op.getKind()) {
  case ReduceKind::mean:
    return rows.mean(x);
  case ReduceKind::l1:
    return rows.reduce(ReduceKind::sum, rows.unary<AbsOp>(x));
  case ReduceKind::l2:
    return rows.unary<SqrtOp>(rows.reduce(ReduceKind::sum, rows.square(x)));
  case ReduceKind::sum_square:
    return rows.reduce(ReduceKind::sum, rows.square(x));
  case ReduceKind::log_sum:
    return rows.unary<LogOp>(rows.reduce(ReduceKind::sum, x));
  case ReduceKind::log_sum_exp: {
    Value largest = rows.reduce(ReduceKind::max, x);
    Value powers = rows.unary<ExpOp>(rows.binary<SubOp>(x, largest));
    return rows.binary<AddOp>(largest, rows.unary<LogOp>(rows.reduce(ReduceKind::sum, powers)));
  }
  default:
    return {};
  }
}

struct ExpandRows : qcc::lower::impl::ExpandRowsBase<ExpandRows> {
  void runOnOperation() override {
    if (getOperation().getKind() != "row")
      return;
    IRRewriter rewriter(&getContext());
    for (Operation &op :
         llvm::make_early_inc_range(getOperation().getBody().front().without_terminator())) {
      if (op.getNumResults() != 1 || isa<QType>(op.getResult(0).getType()))
        continue;
      rewriter.setInsertionPoint(&op);
      Rows rows{rewriter, op.getLoc(), elementTypeOf(op.getResult(0).getType())};
      Value result = llvm::TypeSwitch<Operation *, Value>(&op)
                         .Case([&](SoftmaxOp o) { return expandSoftmax(rows, o); })
                         .Case([&](LayerNormOp o) { return expandLayerNorm(rows, o); })
                         .Case([&](RmsNormOp o) { return expandRmsNorm(rows, o); })
                         .Case([&](ReduceOp o) { return expandReduce(rows, o); })
                         .Default([](Operation *) { return Value(); });
      if (result)
        rewriter.replaceOp(&op, result);
    }
  }
};

} // namespace
