// Attention on codes, between layers on codes.
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"
#include "qcc/Support/Diagnostics.h"
#include "llvm/ADT/TypeSwitch.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_NARROWATTENTION
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkNarrow =
    remark::RemarkOpts::name("narrow-attention").category("quantize");

/// What heads pass through between their layer and attention: where `op` has them from.
Value headsBefore(Operation *op) {
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case<TransposeOp, ReshapeOp, SliceOp, BroadcastOp, IdentityOp, RopeOp, RmsNormOp,
            LayerNormOp>([](Operation *o) { return o->getOperand(0); })
      .Case<AddOp, MulOp>([](Operation *o) { // a bias or a scale
        for (int64_t i : {0, 1})
          if (isa_and_nonnull<ConstantOp, UseOp>(o->getOperand(1 - i).getDefiningOp()))
            return o->getOperand(i);
        return Value();
      })
      .Default(Value());
}

/// Whether `heads` are what a layer makes of inputs of at most 8 bits.
bool comesFromBytes(Value heads) {
  while (Operation *op = heads ? heads.getDefiningOp() : nullptr) {
    if (auto layer = dyn_cast<QLinearOp>(op)) {
      auto input = dyn_cast<QType>(layer.getX().getType());
      return input && input.getBits() <= 8;
    }
    heads = headsBefore(op);
  }
  return false;
}

/// Why products stay floats, or nothing.
std::optional<StringRef> whyNot(AttentionOp op) {
  if (isa<KvType>(op.getKey().getType()) || isa<KvType>(op.getValue().getType()))
    return "keys and values are caches";
  if (!dimsOf(op.getQuery().getType())[3].constantValue())
    return "the width of heads is not known";
  if (!elementTypeOf(op.getQuery().getType()).isF32())
    return "attention is not in f32";
  for (Value heads : {op.getQuery(), op.getKey(), op.getValue()})
    if (!comesFromBytes(heads))
      return "an operand does not come from a layer with 8-bit inputs";
  return std::nullopt;
}

struct NarrowAttention : qcc::quantize::impl::NarrowAttentionBase<NarrowAttention> {
  using Base::Base;

  void refuse(AttentionOp op, StringRef reason) {
    op.emitError(diagName(Diag::NoKernel))
        << ": products of attention stay in f32: " << reason
        << "; without --attention attention is on codes where it can be";
    signalPassFailure();
  }

  void runOnOperation() override {
    getOperation().walk([&](AttentionOp op) {
      if (auto reason = whyNot(op)) {
        remark::missed(op.getLoc(), remarkNarrow) << remark::reason("{0}", *reason);
        if (required)
          refuse(op, *reason);
        return;
      }
      op.setProducts(Storage::i16);
      remark::passed(op.getLoc(), remarkNarrow) << remark::metric("bits", int64_t(16));
    });
  }
};

} // namespace
