// qcc-raise-gelu: the three formulas of GELU.
#include "Match.h"
#include <numbers>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace qcc::raise {
#define GEN_PASS_DEF_RAISEGELU
#include "qcc/Raise/Passes.h.inc"
} // namespace qcc::raise

namespace {

/// 1 + value, among its users.
Value plusOne(Value value) {
  for (Operation *user : value.getUsers())
    if (raise::otherOperand<AddOp>(user->getResults().empty() ? Value() : user->getResult(0),
                                   [](Value y) { return raise::isSplat(y, 1); }) == value)
      return user->getResult(0);
  return {};
}

/// x, for sqrt(2/pi) * (x + 0.044715 x^3) or the same with x outside of the sum.
Value cubicArgument(Value value) {
  raise::Product outer = raise::productOf(value);
  Type element = elementTypeOf(value.getType());
  if (!raise::isNear(outer.factor, std::sqrt(2 / std::numbers::pi), element))
    return {};
  auto isPower = [&](Value term, Value x, size_t power) {
    raise::Product inner = raise::productOf(term, {x});
    return raise::isNear(inner.factor, 0.044715, element) && inner.is(SmallVector<Value>(power, x));
  };
  if (outer.factors.size() == 1)
    if (auto sum = outer.factors[0].getDefiningOp<AddOp>()) {
      if (isPower(sum.getY(), sum.getX(), 3))
        return sum.getX();
      if (isPower(sum.getX(), sum.getY(), 3))
        return sum.getY();
    }
  if (outer.factors.size() == 2)
    for (int i : {0, 1}) {
      Value x = outer.factors[1 - i];
      Value term = raise::otherOperand<AddOp>(outer.factors[i],
                                              [](Value y) { return raise::isSplat(y, 1); });
      if (term && isPower(term, x, 2))
        return x;
    }
  return {};
}

struct Found {
  Operation *root = nullptr;
  Value x;
  GeluKind kind = GeluKind::erf;
  StringRef why; ///< it was not found
};

Found findGelu(Operation *op) {
  Found found;
  Value result = op->getResult(0), term = result;
  Type element = elementTypeOf(result.getType());
  double factor = 0.5;
  if (auto erf = dyn_cast<ErfOp>(op)) {
    auto argument = raise::scaled(erf.getX());
    if (!argument || !raise::isNear(argument->factor, std::numbers::sqrt2 / 2, element))
      return {nullptr, {}, {}, "erf is not of x / sqrt(2)"};
    found.x = argument->x;
    term = plusOne(result);
  } else if (auto tanh = dyn_cast<TanhOp>(op)) {
    found.kind = GeluKind::tanh;
    term = plusOne(result);
    if (!term)
      return {}; // a plain tanh is nothing to remark on
    found.x = cubicArgument(tanh.getX());
    if (!found.x)
      return {nullptr, {}, {}, "tanh is not of sqrt(2/pi) (x + 0.044715 x^3)"};
  } else {
    auto argument = raise::scaled(cast<SigmoidOp>(op).getX());
    if (!argument || !raise::isNear(argument->factor, 1.702, element))
      return {}; // a plain sigmoid is nothing to remark on
    found.kind = GeluKind::sigmoid;
    found.x = argument->x;
    factor = 1;
  }
  if (term)
    found.root = raise::findProduct(term, factor, {found.x, term});
  if (!found.root)
    found.why = "the factors around it are not those of GELU";
  return found;
}

struct RaiseGelu : raise::impl::RaiseGeluBase<RaiseGelu> {
  void runOnOperation() override {
    SmallVector<Operation *> anchors;
    getOperation().walk([&](Operation *op) {
      if (isa<ErfOp, TanhOp, SigmoidOp>(op))
        anchors.push_back(op);
    });
    OpBuilder builder(&getContext());
    for (Operation *anchor : anchors) {
      Found found = findGelu(anchor);
      if (!found.root) {
        if (!found.why.empty())
          raise::reportLeft(anchor, "raise-gelu", found.why);
        continue;
      }
      builder.setInsertionPoint(found.root);
      auto gelu =
          GeluOp::create(builder, found.root->getLoc(), found.x.getType(), found.x, found.kind);
      found.root->getResult(0).replaceAllUsesWith(gelu);
      raise::reportRaised(gelu, "raise-gelu");
    }
    raise::eraseDead(getOperation());
  }
};

} // namespace
