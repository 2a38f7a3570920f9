// Layers and attention of floats in products of bf16, as fast numerics allow.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"

namespace qcc::fuse {
#define GEN_PASS_DEF_NARROWPRODUCTS
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkNarrow =
    remark::RemarkOpts::name("narrow-products").category("fuse");

/// What was widened to f32 without loss; the value itself else.
Value beforeWidening(Value value) {
  auto cast = value.getDefiningOp<CastOp>();
  if (!cast || !elementTypeOf(cast.getType()).isF32())
    return value;
  Type from = elementTypeOf(cast.getX().getType());
  return from.isF16() || from.isBF16() ? cast.getX() : value;
}

/// Whether layers can take `x` as bf16: its rows are of whole 16 bytes.
bool hasWholeRows(Value x) {
  SmallVector<DimExpr> dims = dimsOf(x.getType());
  auto inputs = dims.empty() ? std::nullopt : dims.back().constantValue();
  return inputs && *inputs % 8 == 0;
}

bool isInput(Value x) {
  Type element = elementTypeOf(x.getType());
  return element.isF32() || (element.isBF16() && hasWholeRows(x));
}

/// Products of attention, with 16-bit operands as they are. Nobody has kept it in floats for its
/// precision, whatever layers are.
void narrowAttention(AttentionOp op) {
  if (op.getProducts() != Storage::f32)
    return;
  op.setProducts(Storage::bf16);
  op.getQueryMutable().assign(beforeWidening(op.getQuery()));
  Value key = beforeWidening(op.getKey()), value = beforeWidening(op.getValue());
  if (elementTypeOf(key.getType()) != elementTypeOf(value.getType()))
    return;
  op.getKeyMutable().assign(key);
  op.getValueMutable().assign(value);
}

struct NarrowProducts : qcc::fuse::impl::NarrowProductsBase<NarrowProducts> {
  using NarrowProductsBase::NarrowProductsBase;

  void runOnOperation() override {
    casts.clear();
    getOperation().walk(narrowAttention);
    bool hasCodes = false;
    getOperation().walk([&](QLinearOp op) {
      hasCodes = true;
      if (sumsFloatInputs(op.getX().getType(), op.getWeight().getType()) && isInput(op.getX()))
        narrow(op);
    });
    getOperation().walk([&](LinearOp op) {
      auto refuse = [&](StringRef why) {
        remark::missed(op.getLoc(), remarkNarrow) << remark::reason("{0}", why);
      };
      if (!isInput(op.getX()))
        return refuse("the input is not of f32");
      if (hasCodes)
        return refuse("layers beside it are on codes: this one was kept in floats");
      narrow(op);
      if (roundInputs)
        op.getXMutable().assign(rounded(op.getX()));
    });
  }

  template <typename Op> void narrow(Op op) {
    op.setProducts(Storage::bf16);
    remark::passed(op->getLoc(), remarkNarrow) << remark::metric("bits", int64_t(16));
  }

  /// The same of bf16, once for all layers that multiply it; `x` itself where such rows would not
  /// be of whole 16 bytes.
  Value rounded(Value x) {
    auto type = makeTensorType(dimsOf(x.getType()), BFloat16Type::get(&getContext()));
    if (x.getType() == type || !hasWholeRows(x))
      return x;
    Value before = beforeWidening(x);
    if (before.getType() == type && !fuse::isView(before.getDefiningOp()))
      return before;
    Value &cast = casts[x];
    if (!cast) {
      OpBuilder b(&getContext());
      b.setInsertionPointAfterValue(x);
      cast = CastOp::create(b, x.getLoc(), type, x);
    }
    return cast;
  }

  llvm::DenseMap<Value, Value> casts;
};

} // namespace
