// Integers that a float holds already: rounded, shifted and clamped, as QuantizeLinear leaves them.
#include "Group.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Fuse/Passes.h"
#include <cmath>

namespace qcc::fuse {
#define GEN_PASS_DEF_DROPCASTS
#include "qcc/Fuse/Passes.h.inc"
} // namespace qcc::fuse

using namespace mlir;
using namespace qcc;
using namespace qcc::fuse;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkCasts = remark::RemarkOpts::name("drop-casts").category("fuse");

/// Every integer up to there is an f32.
constexpr double exactIntegers = 1 << 24;

struct Range {
  double low = -INFINITY, high = INFINITY;
  bool within(double from, double to) const { return low >= from && high <= to; }
};

std::optional<Range> rangeOf(Type element) {
  auto type = dyn_cast<IntegerType>(element);
  if (!type || type.getWidth() == 1 || type.getWidth() > 32)
    return std::nullopt;
  double size = std::ldexp(1.0, static_cast<int>(type.getWidth()) - (type.isUnsigned() ? 0 : 1));
  return Range{type.isUnsigned() ? 0 : -size, size - 1};
}

/// Where the elements of an f32 tensor lie, if all are integers. Sums of integers that are too
/// large to be exact are integers still.
std::optional<Range> integersOf(Value value, int depth = 0) {
  if (auto number = splatOf(value))
    return std::floor(*number) == *number ? std::optional(Range{*number, *number}) : std::nullopt;
  Operation *op = value.getDefiningOp();
  if (!op || depth > 8)
    return std::nullopt;
  if (isa<RoundOp>(op))
    return Range();
  if (auto cast = dyn_cast<CastOp>(op)) {
    auto range = rangeOf(elementTypeOf(cast.getX().getType()));
    return range && range->within(-exactIntegers, exactIntegers) ? range : std::nullopt;
  }
  if (!isa<AddOp, SubOp, MaxOp, MinOp>(op))
    return std::nullopt;
  auto x = integersOf(op->getOperand(0), depth + 1), y = integersOf(op->getOperand(1), depth + 1);
  if (!x || !y)
    return std::nullopt;
  if (isa<AddOp>(op))
    return Range{x->low + y->low, x->high + y->high};
  if (isa<SubOp>(op))
    return Range{x->low - y->high, x->high - y->low};
  if (isa<MaxOp>(op))
    return Range{std::max(x->low, y->low), std::max(x->high, y->high)};
  return Range{std::min(x->low, y->low), std::min(x->high, y->high)};
}

/// The splat operand of a commutative op or of a difference, and the other one.
template <typename OpTy> std::optional<std::pair<Value, double>> withNumber(Value value) {
  auto op = value.getDefiningOp<OpTy>();
  if (!op)
    return std::nullopt;
  if (auto number = splatOf(op.getY()); number && op.getX().getType() == op.getType())
    return std::pair(op.getX(), *number);
  if (auto number = splatOf(op.getX());
      number && !isa<SubOp>(op) && op.getY().getType() == op.getType())
    return std::pair(op.getY(), *number);
  return std::nullopt;
}

class Dropper {
public:
  explicit Dropper(IRRewriter &rewriter) : b(rewriter) {}

  void visit(Operation *op) {
    b.setInsertionPoint(op);
    Value simpler;
    if (auto cast = dyn_cast<CastOp>(op))
      simpler = ofCast(cast);
    else if (auto sub = dyn_cast<SubOp>(op))
      simpler = ofDifference(sub);
    if (!simpler)
      return;
    remark::passed(op->getLoc(), remarkCasts) << remark::metric("op", op->getName().stripDialect());
    b.replaceOp(op, simpler);
  }

private:
  Value number(Location loc, double value) {
    auto type = RankedTensorType::get({}, b.getF32Type());
    return ConstantOp::create(
        b, loc, type, DenseElementsAttr::get(type, Attribute(b.getF32FloatAttr(float(value)))));
  }

  /// A float through an integer type and back, or to a wider one; or an i32 less a number.
  Value ofCast(CastOp op) {
    bool toFloat = elementTypeOf(op.getType()).isF32();
    if (auto inner = op.getX().getDefiningOp<CastOp>())
      if (Value x = inner.getX(); elementTypeOf(x.getType()).isF32()) {
        auto held = integersOf(x), fits = rangeOf(elementTypeOf(inner.getType()));
        if (!held || !fits || !held->within(fits->low, fits->high))
          return {};
        if (toFloat)
          return x;
        return elementTypeOf(op.getType()).isInteger(32)
                   ? CastOp::create(b, op.getLoc(), op.getType(), x).getResult()
                   : Value();
      }
    auto less = withNumber<SubOp>(op.getX());
    auto inner = less ? less->first.getDefiningOp<CastOp>() : CastOp();
    if (!toFloat || !inner || !elementTypeOf(inner.getX().getType()).isF32() ||
        !elementTypeOf(inner.getType()).isInteger(32))
      return {};
    auto held = integersOf(inner.getX());
    if (!held || !held->within(-exactIntegers / 2, exactIntegers / 2) ||
        std::abs(less->second) > exactIntegers / 2)
      return {};
    Value difference = SubOp::create(b, op.getLoc(), op.getType(), inner.getX(),
                                     number(op.getLoc(), less->second));
    auto simpler = ofDifference(difference.getDefiningOp<SubOp>());
    return simpler ? simpler : difference;
  }

  /// min(max(x + z, low), high) - z, for integers: min(max(x, low - z), high - z).
  Value ofDifference(SubOp op) {
    auto less = withNumber<SubOp>(op.getResult());
    if (!less || !elementTypeOf(op.getType()).isF32())
      return {};
    auto upper = withNumber<MinOp>(less->first);
    auto lower = upper ? withNumber<MaxOp>(upper->first) : std::nullopt;
    if (!lower)
      return {};
    Value x = lower->first;
    if (auto shifted = withNumber<AddOp>(x); shifted && shifted->second == less->second)
      x = shifted->first;
    else if (less->second != 0)
      return {};
    if (!integersOf(x) || std::max({std::abs(less->second), std::abs(upper->second),
                                    std::abs(lower->second)}) > exactIntegers / 2)
      return {};
    Location loc = op.getLoc();
    Value clamped =
        MaxOp::create(b, loc, op.getType(), x, number(loc, lower->second - less->second));
    return MinOp::create(b, loc, op.getType(), clamped, number(loc, upper->second - less->second));
  }

  IRRewriter &b;
};

struct DropCasts : qcc::fuse::impl::DropCastsBase<DropCasts> {
  void runOnOperation() override {
    IRRewriter rewriter(&getContext());
    Dropper dropper(rewriter);
    forEachBlock(getOperation().getBody().front(), [&](Block &block) {
      SmallVector<Operation *> ops;
      for (Operation &op : block)
        if (isa<CastOp, SubOp>(op))
          ops.push_back(&op);
      for (Operation *op : ops)
        dropper.visit(op);
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
        if (isOpTriviallyDead(&op))
          rewriter.eraseOp(&op);
    });
  }
};

} // namespace
