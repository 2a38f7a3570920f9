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

/// Whether tensor cores multiply codes of 8-bit floats of both: kernels take 64 inputs of one block
/// at once, or 256 of whole blocks.
bool hasFloat8Products(Type x, QType weight) {
  bool inBlocks = weight.getGranularity() == Granularity::block;
  bool fits = !inBlocks || llvm::is_contained({64, 128, 256}, weight.getBlock());
  return sumsFloat8(x, weight) && fits;
}

struct NarrowProducts : qcc::fuse::impl::NarrowProductsBase<NarrowProducts> {
  using NarrowProductsBase::NarrowProductsBase;

  void runOnOperation() override {
    casts.clear();
    getOperation().walk(narrowAttention);
    bool hasCodes = false, asFloat8 = float8;
    auto forProducts = [&](auto body) {
      getOperation().walk([&](QLinearOp op) {
        Type x = op.getX().getType();
        QType weight = op.getWeight().getType();
        hasCodes = true;
        if (sumsFloatInputs(x, weight) && (isa<QType>(x) || isInput(op.getX())))
          body(op, isa<QType>(x), hasFloat8Products(x, weight));
      });
    };
    forProducts([&](QLinearOp, bool isCodes, bool fits) { asFloat8 &= fits || !isCodes; });
    forProducts([&](QLinearOp op, bool isCodes, bool) {
      narrow(op, isCodes && asFloat8 ? Storage::f8e4m3fn : Storage::bf16);
    });
    getOperation().walk([&](LinearOp op) {
      auto refuse = [&](StringRef why) {
        remark::missed(op.getLoc(), remarkNarrow) << remark::reason("{0}", why);
      };
      if (!isInput(op.getX()))
        return refuse("the input is not of f32");
      if (hasCodes)
        return refuse("layers beside it are on codes: this one was kept in floats");
      narrow(op, Storage::bf16);
      if (roundInputs)
        op.getXMutable().assign(rounded(op.getX()));
    });
  }

  template <typename Op> void narrow(Op op, Storage products) {
    op.setProducts(products);
    remark::passed(op->getLoc(), remarkNarrow)
        << remark::metric("bits", static_cast<int64_t>(bitsOf(products)));
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
