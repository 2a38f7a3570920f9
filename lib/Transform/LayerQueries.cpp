// Long constants, constant weights, and what the files say of layers.
#include "LayerQueries.h"
#include "qcc/Support/Diagnostics.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;

/// A constant op holds at most 1 KiB.
static constexpr size_t constantEntries = 256;

bool transform::isConstant(Value value) {
  Operation *def = value.getDefiningOp();
  return def && isa<QntDialect>(def->getDialect()) && isMemoryEffectFree(def) &&
         llvm::all_of(def->getOperands(), isConstant);
}

bool transform::hasFloatWeight(LinearOp layer) {
  Value weight = layer.getWeight();
  return isa<RankedTensorType>(weight.getType()) && isConstant(weight) &&
         !weight.getDefiningOp<DequantizeOp>() && elementTypeOf(weight.getType()).isF32();
}

int64_t transform::inputsOf(LinearOp layer) {
  return dimsOf(layer.getWeight().getType())[1].constantValue().value_or(0);
}
int64_t transform::outputsOf(LinearOp layer) {
  return dimsOf(layer.getWeight().getType())[0].constantValue().value_or(0);
}

template <typename T>
static Value listOf(OpBuilder &builder, Location loc, ArrayRef<T> list, Type element) {
  SmallVector<Value> parts;
  auto typeOf = [&](size_t count) {
    return RankedTensorType::get(static_cast<int64_t>(count), element);
  };
  for (ArrayRef<T> rest = list; !rest.empty();) {
    ArrayRef<T> part = rest.take_front(constantEntries);
    rest = rest.drop_front(part.size());
    parts.push_back(
        ConstantOp::create(builder, loc, DenseElementsAttr::get(typeOf(part.size()), part)));
  }
  if (parts.size() == 1)
    return parts[0];
  return ConcatOp::create(builder, loc, typeOf(list.size()), parts, 0);
}

Value transform::constantList(OpBuilder &builder, Location loc, ArrayRef<float> list) {
  return listOf(builder, loc, list, builder.getF32Type());
}
Value transform::constantList(OpBuilder &builder, Location loc, ArrayRef<int32_t> list) {
  return listOf(builder, loc, list, builder.getI32Type());
}

Value transform::filled(OpBuilder &builder, Location loc, Type type, float value) {
  auto scalar = RankedTensorType::get({}, builder.getF32Type());
  Value one = ConstantOp::create(builder, loc, DenseElementsAttr::get(scalar, value));
  return BroadcastOp::create(builder, loc, type, one);
}

ObserveOp transform::observerOf(LinearOp layer) { return layer.getX().getDefiningOp<ObserveOp>(); }

/// Errors become diagnostics on `at`.
template <typename T> static LogicalResult take(Operation *at, llvm::Expected<T> read, T &store) {
  if (read) {
    store = std::move(*read);
    return success();
  }
  llvm::handleAllErrors(read.takeError(), [&](const CodedError &error) {
    at->emitError(diagName(error.code) + ": " + error.where + ": " + error.message);
  });
  return failure();
}

LogicalResult transform::Files::read(Operation *at, StringRef rangesPath, StringRef decisionsPath) {
  if (!rangesPath.empty()) {
    if (failed(take(at, RangeStore::read(rangesPath), ranges)))
      return failure();
    if (auto all = StatisticsStore::read(rangesPath))
      statistics = std::move(*all);
    else
      llvm::consumeError(all.takeError()); // ranges alone
  }
  if (decisionsPath.empty())
    return success();
  return take(at, DecisionStore::read(decisionsPath), decisions);
}

const LayerDecision *transform::Files::decisionFor(LinearOp layer) const {
  ObserveOp observe = observerOf(layer);
  return decisions.find(nodeName(layer.getLoc()), observe ? observe.getId() : StringRef());
}

LogicalResult transform::unfit(LinearOp layer, StringRef key, size_t got, int64_t want) {
  return layer.emitError(diagName(Diag::DecisionUnfit) + ": the decision has " +
                         std::to_string(got) + " entries under \"" + key + "\" for " +
                         std::to_string(want) + " channels");
}
