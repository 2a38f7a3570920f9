// Large channels of activations, moved into weights.
#include "Producers.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Transform/Layers.h"
#include "qcc/Transform/Passes.h"

namespace qcc::transform {
#define GEN_PASS_DEF_MIGRATESCALES
#include "qcc/Transform/Passes.h.inc"
} // namespace qcc::transform

using namespace mlir;
using namespace qcc;
using namespace qcc::transform;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkMigrate =
    remark::RemarkOpts::name("migrate-scales").category("transform");

/// An observer whose value can be rescaled: its producer, and the layers behind it.
struct Site {
  ObserveOp observe;
  LayerDecision decision;
  Producer producer;
  SmallVector<LinearOp> layers;
  SmallVector<float> magnitudes;

  /// Why nothing moves, or null.
  const char *whyNot(const Files &files, double alpha);
  /// The decision's numbers must be as many as there are channels.
  LogicalResult check();
  int64_t channels() { return inputsOf(layers[0]); }
};

const char *Site::whyNot(const Files &files, double alpha) {
  decision.kind = LayerDecision::Kind::Migrate;
  decision.alpha = alpha;
  if (const char *never = whyNotScaled(observe))
    return never;
  for (OpOperand &use : observe.getOut().getUses()) {
    auto layer = cast<LinearOp>(use.getOwner());
    if (const LayerDecision *given = files.decisionFor(layer)) {
      if (given->kind != LayerDecision::Kind::Migrate)
        return "the decision is another";
      decision = *given;
    }
    layers.push_back(layer);
  }
  if (layers.empty())
    return "nothing reads the value";
  if (decision.isInline)
    return nullptr;
  FoundProducer found = findProducer(observe.getX());
  if (found.whyNot)
    return found.whyNot;
  producer = found.producer;
  ArrayRef<float> given = decision.magnitudes, ranges = files.ranges.magnitudes(observe.getId());
  const ValueStatistics *statistics = files.statistics.find(observe.getId());
  if (decision.rule == LayerDecision::Rule::Awq && statistics && !statistics->meanMagnitude.empty())
    ranges = statistics->meanMagnitude;
  magnitudes.assign(given.begin(), given.end());
  if (magnitudes.empty())
    magnitudes.assign(ranges.begin(), ranges.end());
  if (decision.scales.empty() && static_cast<int64_t>(magnitudes.size()) != channels() &&
      given.empty())
    return "the ranges hold nothing for it";
  return nullptr;
}

LogicalResult Site::check() {
  auto fits = [&](ArrayRef<float> list) {
    return list.empty() || static_cast<int64_t>(list.size()) == channels();
  };
  if (!fits(decision.scales))
    return unfit(layers[0], "scales", decision.scales.size(), channels());
  if (!fits(decision.magnitudes))
    return unfit(layers[0], "magnitudes", decision.magnitudes.size(), channels());
  return success();
}

class Migrator {
public:
  explicit Migrator(MLIRContext *context) : rewriter(context) {}
  void migrate(Site &site);
  void scaleInline(Site &site);

private:
  Value columnMagnitudes(Site &site);
  Value smoothScales(Site &site);
  Value repeated(const Producer &producer, Value s);
  template <typename Op> Value binary(Value x, Value y) {
    return Op::create(rewriter, x.getLoc(), x.getType(), x, y);
  }
  RankedTensorType f32(ArrayRef<int64_t> dims) {
    return RankedTensorType::get(dims, rewriter.getF32Type());
  }
  Value reduceMax(Value x, int64_t axis, Type type) {
    return ReduceOp::create(rewriter, x.getLoc(), type,
                            ReduceKindAttr::get(rewriter.getContext(), ReduceKind::max), x,
                            rewriter.getDenseI64ArrayAttr({axis}), rewriter.getBoolAttr(false));
  }

  IRRewriter rewriter;
};

/// The largest entries of `list` over the heads that repeat a run of `width`.
SmallVector<float> overRepeats(const Producer &producer, ArrayRef<float> list) {
  if (producer.repeats == 1)
    return SmallVector<float>(list);
  int64_t width = producer.width, run = width * producer.repeats;
  SmallVector<float> result(list.size() / producer.repeats, 0);
  for (auto [i, value] : llvm::enumerate(list)) {
    float &to = result[static_cast<int64_t>(i) / run * width + static_cast<int64_t>(i) % width];
    to = std::fmax(to, value);
  }
  return result;
}

/// max |w[:, j]| over the rows of all layers, by channels of the producer.
Value Migrator::columnMagnitudes(Site &site) {
  Value largest;
  for (LinearOp layer : site.layers) {
    Value weight = layer.getWeight();
    Value magnitude = AbsOp::create(rewriter, layer.getLoc(), weight.getType(), weight);
    Value columns = reduceMax(magnitude, 0, f32(site.channels()));
    largest = largest ? binary<MaxOp>(largest, columns) : columns;
  }
  if (site.producer.repeats == 1)
    return largest;
  int64_t width = site.producer.width, repeats = site.producer.repeats;
  int64_t groups = site.channels() / (width * repeats);
  Location loc = site.observe.getLoc();
  Value split = ReshapeOp::create(rewriter, loc, f32({groups, repeats, width}), largest);
  return ReshapeOp::create(rewriter, loc, f32(groups * width),
                           reduceMax(split, 1, f32({groups, width})));
}

/// max|x|^alpha / max|w|^(1 - alpha), 1 where a channel or a column is zero.
Value Migrator::smoothScales(Site &site) {
  Location loc = site.observe.getLoc();
  double alpha = site.decision.alpha;
  SmallVector<float> magnitudes = overRepeats(site.producer, site.magnitudes), powers;
  for (float magnitude : magnitudes)
    powers.push_back(static_cast<float>(std::pow(static_cast<double>(magnitude), alpha)));
  auto scalar = [&](float v) { return constantList(rewriter, loc, ArrayRef<float>(v)); };
  Value x = constantList(rewriter, loc, ArrayRef<float>(powers)), w = columnMagnitudes(site);
  Value s = binary<DivOp>(x, binary<PowOp>(w, scalar(static_cast<float>(1 - alpha))));
  Value product = binary<MulOp>(constantList(rewriter, loc, ArrayRef<float>(magnitudes)), w);
  auto usable =
      CompareOp::create(rewriter, loc, makeTensorType(dimsOf(x.getType()), rewriter.getI1Type()),
                        Predicate::gt, product, scalar(0));
  return SelectOp::create(rewriter, loc, x.getType(), usable, s, scalar(1));
}

/// x^alpha / sqrt(max * min) (Lin et al. 2023, AWQ, section 3.2, with the normalisation of its
/// implementation); 1 where a channel is zero.
SmallVector<float> awqScales(ArrayRef<float> magnitudes, double alpha) {
  SmallVector<double> powers;
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (float magnitude : magnitudes) {
    powers.push_back(magnitude > 0 ? std::pow(static_cast<double>(magnitude), alpha) : 0);
    if (magnitude > 0) {
      low = std::fmin(low, powers.back());
      high = std::fmax(high, powers.back());
    }
  }
  SmallVector<float> scales;
  for (double power : powers)
    scales.push_back(power > 0 ? static_cast<float>(power / std::sqrt(low * high)) : 1.0f);
  return scales;
}

/// Scales of the producer's channels as the layers see them.
Value Migrator::repeated(const Producer &producer, Value s) {
  if (producer.repeats == 1)
    return s;
  int64_t count = cast<RankedTensorType>(s.getType()).getDimSize(0), width = producer.width;
  int64_t groups = count / width;
  Location loc = s.getLoc();
  Value runs = ReshapeOp::create(rewriter, loc, f32({groups, 1, width}), s);
  Value wide = BroadcastOp::create(rewriter, loc, f32({groups, producer.repeats, width}), runs);
  return ReshapeOp::create(rewriter, loc, f32(count * producer.repeats), wide);
}

/// Constant expressions may stand anywhere; this one is needed above `place`.
void moveAbove(Operation *op, Operation *place) {
  if (op->isBeforeInBlock(place))
    return;
  for (Value operand : op->getOperands())
    moveAbove(operand.getDefiningOp(), place);
  op->moveBefore(place);
}

/// A product before the layers in place of a division in what makes the value.
void Migrator::scaleInline(Site &site) {
  rewriter.setInsertionPoint(site.observe);
  Location loc = site.observe.getLoc();
  Value s = constantList(rewriter, loc, ArrayRef<float>(site.decision.scales));
  Value inverse = ReciprocalOp::create(rewriter, loc, s.getType(), s);
  Value x = site.observe.getX();
  Value divided = MulOp::create(rewriter, loc, x.getType(), x, inverse);
  site.observe.getXMutable().assign(divided);
  for (LinearOp layer : site.layers) {
    rewriter.setInsertionPoint(layer);
    layer.getWeightMutable().assign(binary<MulOp>(layer.getWeight(), s));
  }
}

void Migrator::migrate(Site &site) {
  if (site.decision.isInline)
    return scaleInline(site);
  for (LinearOp layer : site.layers)
    moveAbove(layer.getWeight().getDefiningOp(), site.producer.op);
  rewriter.setInsertionPoint(site.producer.op);
  Location loc = site.observe.getLoc();
  Value s;
  if (!site.decision.scales.empty())
    s = constantList(rewriter, loc,
                     ArrayRef<float>(overRepeats(site.producer, site.decision.scales)));
  else if (site.decision.rule == LayerDecision::Rule::Awq)
    s = constantList(rewriter, loc,
                     ArrayRef<float>(awqScales(overRepeats(site.producer, site.magnitudes),
                                               site.decision.alpha)));
  else
    s = smoothScales(site);
  divideChannels(rewriter, site.producer, s);
  Value wide = repeated(site.producer, s);
  for (LinearOp layer : site.layers) {
    rewriter.setInsertionPoint(layer);
    layer.getWeightMutable().assign(binary<MulOp>(layer.getWeight(), wide));
  }
}

struct MigrateScales : qcc::transform::impl::MigrateScalesBase<MigrateScales> {
  using MigrateScalesBase::MigrateScalesBase;

  void runOnOperation() override {
    Files files;
    if (failed(files.read(getOperation(), ranges, decisions)))
      return signalPassFailure();
    SmallVector<ObserveOp> observers(getOperation().getOps<ObserveOp>());
    Migrator migrator(&getContext());
    for (ObserveOp observe : observers) {
      Site site{observe, {}, {}, {}, {}};
      if (const char *reason = site.whyNot(files, alpha)) {
        remark::missed(observe.getLoc(), remarkMigrate) << remark::reason("{0}", reason);
      } else if (failed(site.check())) {
        return signalPassFailure();
      } else {
        migrator.migrate(site);
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

const char *transform::whyNotScaled(ObserveOp observe) {
  if (!elementTypeOf(observe.getX().getType()).isF32())
    return "the value is not of f32";
  for (OpOperand &use : observe.getOut().getUses()) {
    auto layer = dyn_cast<LinearOp>(use.getOwner());
    if (!layer || use.getOperandNumber() != 0)
      return "something other than layers reads the value";
    if (!hasFloatWeight(layer))
      return "the weight of a layer is computed, came quantized or is not of f32";
  }
  return nullptr;
}

const char *transform::whyNotMigrated(ObserveOp observe) {
  const char *never = whyNotScaled(observe);
  return never ? never : findProducer(observe.getX()).whyNot;
}
