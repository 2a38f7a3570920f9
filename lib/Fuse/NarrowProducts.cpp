// Layers of floats in products of bf16, as fast numerics allow.
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

struct NarrowProducts : qcc::fuse::impl::NarrowProductsBase<NarrowProducts> {
  void runOnOperation() override {
    bool hasCodes =
        getOperation().walk([](QLinearOp) { return WalkResult::interrupt(); }).wasInterrupted();
    getOperation().walk([&](LinearOp op) {
      auto refuse = [&](StringRef why) {
        remark::missed(op.getLoc(), remarkNarrow) << remark::reason("{0}", why);
      };
      if (!elementTypeOf(op.getX().getType()).isF32())
        return refuse("the input is not of f32");
      if (hasCodes)
        return refuse("layers beside it are on codes: this one was kept in floats");
      op.setProducts(Storage::bf16);
      remark::passed(op.getLoc(), remarkNarrow) << remark::metric("bits", int64_t(16));
    });
  }
};

} // namespace
