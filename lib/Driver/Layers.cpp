// Finding marked weights and what they are made of.
#include "qcc/Driver/Layers.h"
#include "mlir/IR/IRMapping.h"
#include "qcc/Driver/Piece.h"
#include "qcc/Pack/WeightFormats.h"
#include "qcc/Pack/WeightStore.h"
#include "llvm/ADT/MapVector.h"
#include <cstring>
#include <map>

using namespace mlir;
using namespace qcc;
using namespace qcc::qnt;
using llvm::Expected;

Value qcc::unquantized(Value value) {
  auto dequantize = value.getDefiningOp<DequantizeOp>();
  Operation *quantize = dequantize ? dequantize.getX().getDefiningOp() : nullptr;
  return quantize && quantize->getNumOperands() > 0 && !isa<UseOp, AssembleOp>(quantize)
             ? quantize->getOperand(0)
             : value;
}

std::vector<std::string> qcc::weightsBehind(Value matrix) {
  std::vector<std::string> names;
  SmallVector<Value> open = {matrix};
  DenseSet<Value> seen;
  while (!open.empty()) {
    Value value = open.pop_back_val();
    Operation *def = value.getDefiningOp();
    if (!def || !seen.insert(value).second)
      continue;
    if (auto use = dyn_cast<UseOp>(def))
      names.push_back(use.getWeight().str());
    // The first operand is looked at first.
    for (Value operand : llvm::reverse(def->getOperands()))
      open.push_back(operand);
  }
  return names;
}

/// The weights that are quantized, in block order. One scale for a whole tensor, or zero points
/// that are no integers, leave a method nothing to choose: such weights stay round-to-nearest.
static SmallVector<QuantizeOp> markedQuantizations(func::FuncOp function) {
  SmallVector<QuantizeOp> marked;
  function.walk([&](QuantizeOp quantize) {
    auto tensor = dyn_cast<RankedTensorType>(quantize.getX().getType());
    if (tensor && tensor.hasStaticShape() && tensor.getRank() == 2 &&
        pack::isChosenByRows(quantize.getType()) && isConstantValue(quantize.getX()))
      marked.push_back(quantize);
  });
  return marked;
}

std::vector<std::string> qcc::weightsOutsideMethods(func::FuncOp function) {
  std::vector<std::string> left;
  function.walk([&](QuantizeOp quantize) {
    if (!isConstantValue(quantize.getX()) || pack::isChosenByRows(quantize.getType()))
      return;
    auto names = weightsBehind(quantize.getX());
    left.push_back(names.empty() ? "constant" : names.front());
  });
  return left;
}

std::vector<LayerGroup> qcc::findMarkedWeights(func::FuncOp function) {
  llvm::MapVector<Value, LayerGroup> groups;
  std::map<std::string, int> names;
  std::vector<std::pair<Operation *, MarkedWeight>> weights; // first reader, weight
  for (QuantizeOp quantize : markedQuantizations(function)) {
    MarkedWeight weight;
    weight.quantize = quantize;
    auto shape = cast<RankedTensorType>(quantize.getX().getType()).getShape();
    weight.rows = shape[0];
    weight.columns = shape[1];
    auto behind = weightsBehind(quantize.getX());
    weight.name = behind.empty() ? "constant" : behind.front();
    if (int &count = names[weight.name]; ++count > 1)
      weight.name += "#" + std::to_string(count);
    for (Operation *dequantize : quantize.getOut().getUsers())
      for (Operation *user : dequantize->getUsers())
        if (auto linear = dyn_cast<LinearOp>(user))
          weight.readers.push_back(linear);
    llvm::sort(weight.readers, [](LinearOp a, LinearOp b) { return a->isBeforeInBlock(b); });
    Operation *first = weight.readers.empty() ? nullptr : weight.readers.front().getOperation();
    weights.emplace_back(first, std::move(weight));
  }
  // Tables first: what they give is the input of the first layers.
  std::sort(weights.begin(), weights.end(), [](auto &a, auto &b) {
    if (a.first && b.first && a.first != b.first)
      return a.first->isBeforeInBlock(b.first);
    if (a.first != b.first)
      return !a.first;
    return a.second.quantize->isBeforeInBlock(b.second.quantize);
  });
  for (auto &[first, weight] : weights) {
    Value input = weight.readers.empty() ? Value() : unquantized(weight.readers.front().getX());
    LayerGroup &group = groups[input];
    group.input = input;
    group.weights.push_back(std::move(weight));
  }
  std::vector<LayerGroup> result;
  for (auto &[input, group] : groups)
    result.push_back(std::move(group));
  return result;
}

Expected<std::vector<float>> qcc::evaluateMatrix(const LoadedModel &model, Value matrix,
                                                 unsigned threads) {
  ModuleOp module = *model.module;
  OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
  auto weight = WeightOp::create(builder, matrix.getLoc(), "qcc.evaluated", matrix.getType(),
                                 Attribute(), StringAttr());
  builder.createBlock(&weight.getRecipe());
  IRMapping mapping;
  Operation *def = matrix.getDefiningOp();
  // Operands before users: the ops of a block are in order.
  SetVector<Operation *> ops;
  SmallVector<Operation *> open = {def};
  while (!open.empty()) {
    Operation *op = open.pop_back_val();
    if (ops.insert(op))
      for (Value operand : op->getOperands())
        open.push_back(operand.getDefiningOp());
  }
  SmallVector<Operation *> ordered(ops.getArrayRef());
  llvm::sort(ordered, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : ordered)
    builder.clone(*op, mapping);
  YieldOp::create(builder, matrix.getLoc(), mapping.lookup(matrix));
  pack::WeightStore store(module, model.modelDir, model.blobDir, threads);
  auto type = cast<RankedTensorType>(matrix.getType());
  std::vector<float> values(type.getNumElements());
  uint64_t at = 0;
  llvm::Error failed = store.write(weight, [&](ArrayRef<uint8_t> piece) {
    std::memcpy(reinterpret_cast<char *>(values.data()) + at, piece.data(), piece.size());
    at += piece.size();
    return llvm::Error::success();
  });
  weight.erase();
  if (failed)
    return std::move(failed);
  return values;
}
