// Large channels of activations, moved into weights.
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Support/Ranges.h"
#include "qcc/Transform/Passes.h"

namespace qcc::transform {
#define GEN_PASS_DEF_MIGRATESCALES
#include "qcc/Transform/Passes.h.inc"
} // namespace qcc::transform

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkMigrate =
    remark::RemarkOpts::name("migrate-scales").category("transform");

/// A constant op holds at most 1 KiB; longer lists are several, side by side.
constexpr size_t constantFloats = 256;

bool isConstant(Value value) {
  Operation *def = value.getDefiningOp();
  return def && isa<QntDialect>(def->getDialect()) && isMemoryEffectFree(def) &&
         llvm::all_of(def->getOperands(), isConstant);
}

/// An observer whose value can be rescaled: its norm, and the layers behind it.
struct Site {
  ObserveOp observe;
  Operation *norm = nullptr;
  Value gain, bias;
  SmallVector<LinearOp> layers;

  const char *whyNot(ArrayRef<float> magnitudes);
};

const char *Site::whyNot(ArrayRef<float> magnitudes) {
  norm = observe.getX().getDefiningOp();
  if (!isa_and_nonnull<LayerNormOp, RmsNormOp>(norm))
    return "no norm makes the value";
  if (auto layerNorm = dyn_cast<LayerNormOp>(norm)) {
    gain = layerNorm.getGain();
    bias = layerNorm.getBias();
  } else {
    gain = cast<RmsNormOp>(norm).getGain();
  }
  if (!gain || !isConstant(gain) || (bias && !isConstant(bias)))
    return "the norm has no constant gain";
  if (!norm->hasOneUse())
    return "something other than layers reads the norm";
  for (OpOperand &use : observe.getOut().getUses()) {
    auto layer = dyn_cast<LinearOp>(use.getOwner());
    if (!layer || use.getOperandNumber() != 0)
      return "something other than layers reads the norm";
    Value weight = layer.getWeight();
    if (!isa<RankedTensorType>(weight.getType()) || !isConstant(weight) ||
        weight.getDefiningOp<DequantizeOp>() || !elementTypeOf(weight.getType()).isF32())
      return "the weight of a layer is computed, came quantized or is not of f32";
    layers.push_back(layer);
  }
  if (layers.empty())
    return "nothing reads the value";
  if (static_cast<int64_t>(magnitudes.size()) !=
      dimsOf(layers[0].getWeight().getType())[1].constantValue())
    return "the ranges hold nothing for it";
  return nullptr;
}

class Migrator {
public:
  Migrator(MLIRContext *context, double alpha) : rewriter(context), alpha(alpha) {}
  void migrate(Site &site, ArrayRef<float> magnitudes);

private:
  Value numbers(Location loc, ArrayRef<float> values);
  Value scalar(Location loc, float value) { return numbers(loc, value); }
  Value columnMagnitudes(Site &site, Type type);
  Value scales(Site &site, ArrayRef<float> magnitudes, Type type);
  template <typename Op> Value binary(Value x, Value y) {
    return Op::create(rewriter, x.getLoc(), x.getType(), x, y);
  }

  IRRewriter rewriter;
  double alpha;
};

Value Migrator::numbers(Location loc, ArrayRef<float> values) {
  SmallVector<Value> parts;
  auto typeOf = [&](size_t count) {
    return RankedTensorType::get(static_cast<int64_t>(count), rewriter.getF32Type());
  };
  for (ArrayRef<float> rest = values; !rest.empty();) {
    ArrayRef<float> part = rest.take_front(constantFloats);
    rest = rest.drop_front(part.size());
    parts.push_back(
        ConstantOp::create(rewriter, loc, DenseElementsAttr::get(typeOf(part.size()), part)));
  }
  if (parts.size() == 1)
    return parts[0];
  return ConcatOp::create(rewriter, loc, typeOf(values.size()), parts, 0);
}

/// max |w[:, j]| over the rows of all layers.
Value Migrator::columnMagnitudes(Site &site, Type type) {
  Value largest;
  for (LinearOp layer : site.layers) {
    Value weight = layer.getWeight();
    Value magnitude = AbsOp::create(rewriter, layer.getLoc(), weight.getType(), weight);
    Value columns = ReduceOp::create(
        rewriter, layer.getLoc(), type, ReduceKindAttr::get(rewriter.getContext(), ReduceKind::max),
        magnitude, rewriter.getDenseI64ArrayAttr({0}), rewriter.getBoolAttr(false));
    largest = largest ? binary<MaxOp>(largest, columns) : columns;
  }
  return largest;
}

/// s[j], 1 where a channel or a column is zero.
Value Migrator::scales(Site &site, ArrayRef<float> magnitudes, Type type) {
  Location loc = site.observe.getLoc();
  SmallVector<float> powers;
  for (float magnitude : magnitudes)
    powers.push_back(static_cast<float>(std::pow(double(magnitude), alpha)));
  Value x = numbers(loc, powers), w = columnMagnitudes(site, type);
  Value s = binary<DivOp>(x, binary<PowOp>(w, scalar(loc, static_cast<float>(1 - alpha))));
  Value zero = scalar(loc, 0), product = binary<MulOp>(numbers(loc, magnitudes), w);
  auto usable = CompareOp::create(rewriter, loc, makeTensorType(dimsOf(type), rewriter.getI1Type()),
                                  Predicate::gt, product, zero);
  return SelectOp::create(rewriter, loc, type, usable, s, scalar(loc, 1));
}

/// Constant expressions may stand anywhere; this one is needed above `place`.
void moveAbove(Operation *op, Operation *place) {
  if (op->isBeforeInBlock(place))
    return;
  for (Value operand : op->getOperands())
    moveAbove(operand.getDefiningOp(), place);
  op->moveBefore(place);
}

void Migrator::migrate(Site &site, ArrayRef<float> magnitudes) {
  for (LinearOp layer : site.layers)
    moveAbove(layer.getWeight().getDefiningOp(), site.norm);
  rewriter.setInsertionPoint(site.norm);
  Value s = scales(site, magnitudes, site.gain.getType());
  Value gain = binary<DivOp>(site.gain, s),
        bias = site.bias ? binary<DivOp>(site.bias, s) : Value();
  if (auto layerNorm = dyn_cast<LayerNormOp>(site.norm)) {
    layerNorm.getGainMutable().assign(gain);
    if (bias)
      layerNorm.getBiasMutable().assign(bias);
  } else {
    cast<RmsNormOp>(site.norm).getGainMutable().assign(gain);
  }
  for (LinearOp layer : site.layers) {
    rewriter.setInsertionPoint(layer);
    layer.getWeightMutable().assign(binary<MulOp>(layer.getWeight(), s));
  }
}

struct MigrateScales : qcc::transform::impl::MigrateScalesBase<MigrateScales> {
  using MigrateScalesBase::MigrateScalesBase;

  void runOnOperation() override {
    RangeStore store;
    if (!ranges.empty()) {
      auto read = RangeStore::read(ranges);
      if (!read) {
        llvm::handleAllErrors(read.takeError(), [&](const CodedError &error) {
          getOperation().emitError(diagName(error.code) + ": " + error.where + ": " +
                                   error.message);
        });
        return signalPassFailure();
      }
      store = std::move(*read);
    }
    SmallVector<ObserveOp> observers(getOperation().getOps<ObserveOp>());
    Migrator migrator(&getContext(), alpha);
    for (ObserveOp observe : observers) {
      Site site{observe, nullptr, {}, {}, {}};
      ArrayRef<float> magnitudes = store.magnitudes(observe.getId());
      if (const char *reason = site.whyNot(magnitudes)) {
        remark::missed(observe.getLoc(), remarkMigrate) << remark::reason("{0}", reason);
      } else {
        migrator.migrate(site, magnitudes);
        remark::passed(observe.getLoc(), remarkMigrate)
            << remark::metric("id", observe.getId().str())
            << remark::metric("layers", static_cast<int64_t>(site.layers.size()));
      }
      observe.getOut().replaceAllUsesWith(observe.getX());
      observe.erase();
    }
  }
};

} // namespace
