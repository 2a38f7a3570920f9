// Layers and attention of floats in products of bf16, as fast numerics allow.
#include "Qnt/Qnt.h"
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
  void runOnOperation() override {
    getOperation().walk(narrowAttention);
    bool hasCodes = false;
    auto narrow = [&](auto op) {
      op.setProducts(Storage::bf16);
      remark::passed(op->getLoc(), remarkNarrow) << remark::metric("bits", int64_t(16));
    };
    getOperation().walk([&](QLinearOp op) {
      hasCodes = true;
      if (sumsFloatInputs(op.getX().getType(), op.getWeight().getType()))
        narrow(op);
    });
    getOperation().walk([&](LinearOp op) {
      auto refuse = [&](StringRef why) {
        remark::missed(op.getLoc(), remarkNarrow) << remark::reason("{0}", why);
      };
      if (!elementTypeOf(op.getX().getType()).isF32())
        return refuse("the input is not of f32");
      if (hasCodes)
        return refuse("layers beside it are on codes: this one was kept in floats");
      narrow(op);
    });
  }
};

} // namespace
