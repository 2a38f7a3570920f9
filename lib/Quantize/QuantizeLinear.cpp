// Linear layers on codes.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Quantize/Passes.h"

namespace qcc::quantize {
#define GEN_PASS_DEF_QUANTIZELINEAR
#include "qcc/Quantize/Passes.h.inc"
} // namespace qcc::quantize

using namespace mlir;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkQuantize =
    remark::RemarkOpts::name("quantize-linear").category("quantize");

/// Why the codes of `weight` have no product, or nothing.
std::optional<StringRef> whyNot(QType weight) {
  bool isFnuz =
      weight.getStorage() == Storage::f8e4m3fnuz || weight.getStorage() == Storage::f8e5m2fnuz;
  if (weight.getBits() > 8 || isFnuz)
    return "the weight has codes of more than 8 bits or of a float format that is read only";
  if (!weight.isByRows())
    return "the weight is neither per output channel nor in blocks along K";
  if (weight.getGranularity() == Granularity::block && weight.getBlock() % 4 != 0)
    return "the weight's blocks are no multiple of 4";
  return std::nullopt;
}

/// Why codes of `x` and `weight` have no product, or nothing.
std::optional<StringRef> whyNot(QType x, QType weight) {
  if (x.getGranularity() != Granularity::token ||
      (x.getStorage() != Storage::i8 && x.getStorage() != Storage::i16 &&
       x.getStorage() != Storage::f8e4m3fn))
    return "the input is not 8- or 16-bit codes per token";
  Product product = productOf(x, weight);
  if (product == Product::ScaledFloatSums)
    return std::nullopt;
  if (product == Product::FloatSums)
    return "the weight's values are no integers";
  if (product != Product::FullSum && x.getZero())
    return "sums over blocks need symmetric inputs";
  auto k = dimsOf(weight)[1].constantValue();
  int64_t step = productStep(x, weight, k.value_or(INT64_MAX));
  if (product != Product::FullSum && x.getBlock() != step)
    return "the input does not carry the sums that the weight needs";
  int64_t block = weight.getGranularity() == Granularity::block ? weight.getBlock() : 0;
  int64_t group = x.getGroup();
  if (block && group && std::max(block, group) % std::min(block, group) != 0)
    return "the input's groups and the weight's blocks do not divide each other";
  int64_t bits = weight.getCodebook() ? 8 : weight.getBits();
  if (step > (int64_t(1) << 31) / (bits == 8 ? 255 * 128 : (1 << bits) * 128))
    return "a sum of products could overflow 32 bits";
  return std::nullopt;
}

/// The same codes with the sums that a product with `weight` needs, where those of an imported
/// model have none yet.
Value withSums(Value codes, QType weight) {
  auto type = cast<QType>(codes.getType());
  Operation *op = codes.getDefiningOp();
  auto k = dimsOf(weight)[1].constantValue();
  bool applies = isa_and_nonnull<QuantizeOp, QuantizeStaticOp>(op) && type.isSymmetric() &&
                 type.getGranularity() == Granularity::token && type.getBlock() == 0 && k;
  Product product = applies ? productOf(type, weight) : Product::FullSum;
  if (product == Product::FullSum || sumsFloats(product))
    return codes;
  auto with =
      QType::get(type.getContext(), type.getDims(), type.getStorage(), type.getGranularity(),
                 type.getAxis(), productStep(type, weight, *k), type.getScale(), type.getZero(),
                 type.getSuper(), type.getCodebook(), type.getGroup(), type.getLayout());
  for (Operation *other : op->getOperand(0).getUsers()) // made for another reader
    if (other->getName() == op->getName() && other->getResult(0).getType() == with &&
        other->getPropertiesAsAttribute() == op->getPropertiesAsAttribute() &&
        other->isBeforeInBlock(op->getNextNode()))
      return other->getResult(0);
  OpBuilder builder(op);
  Operation *copy = builder.clone(*op);
  copy->getResult(0).setType(with);
  return copy->getResult(0);
}

/// The codes to multiply with: those of a quantized input where there is a product of them, else
/// the floats that they stand for.
Value inputOf(LinearOp op, QType weight) {
  auto x = op.getX().getDefiningOp<DequantizeOp>();
  if (!x)
    return op.getX();
  Value codes = withSums(x.getX(), weight);
  if (auto reason = whyNot(cast<QType>(codes.getType()), weight)) {
    remark::missed(op.getLoc(), remarkQuantize) << remark::reason("{0}", *reason);
    if (codes != x.getX() && codes.use_empty())
      codes.getDefiningOp()->erase();
    return op.getX();
  }
  return codes;
}

struct QuantizeLinear : qcc::quantize::impl::QuantizeLinearBase<QuantizeLinear> {
  void runOnOperation() override {
    SmallVector<LinearOp> ops(getOperation().getOps<LinearOp>());
    IRRewriter rewriter(&getContext());
    for (LinearOp op : ops) {
      auto weight = op.getWeight().getDefiningOp<DequantizeOp>();
      if (!weight)
        continue;
      if (auto reason = whyNot(weight.getX().getType())) {
        remark::missed(op.getLoc(), remarkQuantize) << remark::reason("{0}", *reason);
        continue;
      }
      auto read = op.getX().getDefiningOp<DequantizeOp>();
      Value x = inputOf(op, weight.getX().getType());
      rewriter.setInsertionPoint(op);
      auto layer =
          rewriter.replaceOpWithNewOp<QLinearOp>(op, op.getType(), x, weight.getX(), op.getBias());
      QType codes = layer.getWeight().getType();
      remark::passed(layer.getLoc(), remarkQuantize)
          << remark::metric("bits", static_cast<int64_t>(codes.getBits()))
          << remark::metric("meaning", static_cast<int64_t>(productOf(x.getType(), codes)));
      for (DequantizeOp dead : {read, weight}) {
        if (!dead || !dead->use_empty())
          continue;
        Operation *codes = dead.getX().getDefiningOp();
        rewriter.eraseOp(dead);
        if (isa_and_nonnull<QuantizeOp, QuantizeStaticOp>(codes) && codes->use_empty())
          rewriter.eraseOp(codes);
      }
    }
  }
};

} // namespace
