// Outliers computed exactly beside a product on codes.
#include "LayerQueries.h"
#include "mlir/IR/Remarks.h"
#include "qcc/Support/Diagnostics.h"
#include "qcc/Transform/Passes.h"

namespace qcc::transform {
#define GEN_PASS_DEF_SPLITOUTLIERS
#include "qcc/Transform/Passes.h.inc"
} // namespace qcc::transform

using namespace mlir;
using namespace qcc;
using namespace qcc::transform;
using namespace qcc::qnt;

namespace {

const remark::RemarkOpts remarkSplit =
    remark::RemarkOpts::name("split-outliers").category("transform");

/// The fewest channels without which no magnitude is above `ratio` times the median of all; none
/// where more than `most` would have to go.
SmallVector<int32_t> outlierColumns(ArrayRef<float> magnitudes, double ratio, int64_t most) {
  SmallVector<float> sorted(magnitudes);
  auto middle = sorted.begin() + static_cast<ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  SmallVector<int32_t> columns;
  for (auto [i, magnitude] : llvm::enumerate(magnitudes))
    if (magnitude > ratio * *middle)
      columns.push_back(static_cast<int32_t>(i));
  if (static_cast<int64_t>(columns.size()) > most)
    columns.clear();
  return columns;
}

class Splitter {
public:
  explicit Splitter(MLIRContext *context) : rewriter(context) {}
  void splitColumns(LinearOp layer, ArrayRef<int32_t> columns);
  void splitElements(LinearOp layer, int64_t count, ArrayRef<float> importance);

private:
  Value masked(Value x, ArrayRef<int32_t> columns, Value list);
  Value transposed(Value matrix);
  void addSide(LinearOp layer, Value values, Value columns);
  RankedTensorType f32(ArrayRef<int64_t> dims) {
    return RankedTensorType::get(dims, rewriter.getF32Type());
  }

  IRRewriter rewriter;
  /// Inputs without their outlier columns, by input and columns: layers share them.
  std::map<std::pair<void *, std::vector<int32_t>>, Value> inputs;
};

Value Splitter::transposed(Value matrix) {
  ArrayRef<int64_t> dims = cast<RankedTensorType>(matrix.getType()).getShape();
  return TransposeOp::create(rewriter, matrix.getLoc(), f32({dims[1], dims[0]}), matrix,
                             ArrayRef<int64_t>{1, 0});
}

/// x times a row of ones with zeros at `columns`.
Value Splitter::masked(Value x, ArrayRef<int32_t> columns, Value list) {
  Location loc = x.getLoc();
  Type row = f32(*dimsOf(x.getType()).back().constantValue());
  Value ones = filled(rewriter, loc, row, 1);
  Value zeros = filled(rewriter, loc, f32(static_cast<int64_t>(columns.size())), 0);
  Value mask = ScatterElementsOp::create(rewriter, loc, row, ones, list, zeros, 0);
  return MulOp::create(rewriter, loc, x.getType(), x, mask);
}

/// `layer` plus the product of its input, as it was, with few elements.
void Splitter::addSide(LinearOp layer, Value values, Value columns) {
  rewriter.setInsertionPoint(layer);
  Location loc = layer.getLoc();
  Value side =
      SparseLinearOp::create(rewriter, loc, layer.getType(), layer.getX(), values, columns);
  rewriter.setInsertionPointAfter(layer);
  auto sum = AddOp::create(rewriter, loc, layer.getType(), layer.getOut(), side);
  rewriter.replaceAllUsesExcept(layer.getOut(), sum.getOut(), sum);
}

void Splitter::splitColumns(LinearOp layer, ArrayRef<int32_t> columns) {
  rewriter.setInsertionPoint(layer);
  Location loc = layer.getLoc();
  Value weight = layer.getWeight(), list = constantList(rewriter, loc, columns);
  Value kept =
      GatherOp::create(rewriter, loc, f32({static_cast<int64_t>(columns.size()), outputsOf(layer)}),
                       transposed(weight), list, 0);
  layer.getWeightMutable().assign(masked(weight, columns, list));
  addSide(layer, kept, list);
  auto key = std::make_pair(layer.getX().getAsOpaquePointer(),
                            std::vector<int32_t>(columns.begin(), columns.end()));
  Value &input = inputs[key];
  if (!input) {
    rewriter.setInsertionPointAfterValue(layer.getX());
    Value above = constantList(rewriter, loc, columns);
    input = masked(layer.getX(), columns, above);
  }
  layer.getXMutable().assign(input);
}

void Splitter::splitElements(LinearOp layer, int64_t count, ArrayRef<float> importance) {
  rewriter.setInsertionPoint(layer);
  Location loc = layer.getLoc();
  Value weight = layer.getWeight(), ranked = weight;
  if (!importance.empty())
    ranked = MulOp::create(rewriter, loc, weight.getType(), weight,
                           constantList(rewriter, loc, importance));
  int64_t n = outputsOf(layer);
  Value columns = TopColumnsOp::create(
      rewriter, loc, RankedTensorType::get({count, n}, rewriter.getI32Type()), ranked);
  Value flipped = transposed(weight);
  Value values = GatherElementsOp::create(rewriter, loc, f32({count, n}), flipped, columns, 0);
  Value zeros = filled(rewriter, loc, f32({count, n}), 0);
  Value rest =
      ScatterElementsOp::create(rewriter, loc, flipped.getType(), flipped, columns, zeros, 0);
  layer.getWeightMutable().assign(transposed(rest));
  addSide(layer, values, columns);
}

struct SplitOutliers : qcc::transform::impl::SplitOutliersBase<SplitOutliers> {
  using SplitOutliersBase::SplitOutliersBase;

  void runOnOperation() override {
    Files files;
    if (failed(files.read(getOperation(), ranges, decisions)))
      return signalPassFailure();
    SmallVector<LinearOp> layers(getOperation().getOps<LinearOp>());
    // Decisions are looked up before the first split takes an observer away from a layer.
    SmallVector<std::optional<LayerDecision>> decided;
    for (LinearOp layer : layers)
      decided.push_back(decide(layer, files));
    Splitter splitter(&getContext());
    for (auto [layer, decision] : llvm::zip_equal(layers, decided))
      if (decision && failed(apply(layer, *decision, splitter)))
        return signalPassFailure();
  }

  std::optional<LayerDecision> decide(LinearOp layer, const Files &files);
  LogicalResult apply(LinearOp layer, const LayerDecision &decision, Splitter &splitter);

  void miss(LinearOp layer, const char *reason) {
    remark::missed(layer.getLoc(), remarkSplit) << remark::reason("{0}", reason);
  }
};

/// What is done with `layer`, nothing where it stays whole.
std::optional<LayerDecision> SplitOutliers::decide(LinearOp layer, const Files &files) {
  if (!hasFloatWeight(layer) || !elementTypeOf(layer.getX().getType()).isF32()) {
    miss(layer, "the weight is computed, came quantized or is not of f32");
    return std::nullopt;
  }
  const LayerDecision *given = files.decisionFor(layer);
  using Kind = LayerDecision::Kind;
  if (given && (given->kind == Kind::None || given->kind == Kind::Migrate)) {
    miss(layer, "the decision is another");
    return std::nullopt;
  }
  if (given && (given->kind == Kind::Sparse || !given->columns.empty()))
    return *given;
  ObserveOp observe = observerOf(layer);
  ArrayRef<float> magnitudes =
      observe ? files.ranges.magnitudes(observe.getId()) : ArrayRef<float>();
  int64_t k = inputsOf(layer);
  if (static_cast<int64_t>(magnitudes.size()) != k) {
    miss(layer, "the ranges hold nothing for it");
    return std::nullopt;
  }
  LayerDecision chosen;
  chosen.kind = Kind::Columns;
  auto columns = outlierColumns(magnitudes, ratio, static_cast<int64_t>(maxFraction * k));
  if (columns.empty()) {
    miss(layer, "no few channels are far above the median");
    return std::nullopt;
  }
  chosen.columns.assign(columns.begin(), columns.end());
  return chosen;
}

LogicalResult SplitOutliers::apply(LinearOp layer, const LayerDecision &decision,
                                   Splitter &splitter) {
  int64_t k = inputsOf(layer);
  Location loc = layer.getLoc();
  if (decision.kind == LayerDecision::Kind::Columns) {
    if (decision.columns.back() >= k)
      return layer.emitError(diagName(Diag::DecisionUnfit) + ": the decision names column " +
                             std::to_string(decision.columns.back()) + " of " + std::to_string(k));
    splitter.splitColumns(layer, decision.columns);
    remark::passed(loc, remarkSplit)
        << remark::metric("columns", static_cast<int64_t>(decision.columns.size()));
    return success();
  }
  if (!decision.importance.empty() && static_cast<int64_t>(decision.importance.size()) != k)
    return unfit(layer, "importance", decision.importance.size(), k);
  auto count = std::max<int64_t>(1, std::llround(decision.fraction * static_cast<double>(k)));
  splitter.splitElements(layer, count, decision.importance);
  remark::passed(loc, remarkSplit) << remark::metric("elements", count);
  return success();
}

} // namespace
