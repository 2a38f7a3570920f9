// Which values rotate together, found by what commutes with a rotation of the last axis.
#include "Stream.h"
#include "qcc/Algorithms/Hadamard.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::rotate;
using namespace qcc::qnt;

namespace {

/// Rotations at run time that a stream may cost: where it begins and ends.
constexpr size_t maxBorders = 2;

std::optional<int64_t> lastDim(Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  return dims.empty() ? std::nullopt : dims.back().constantValue();
}

bool isPerRow(Value value) {
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  return dims.empty() || dims.back().isConstant(1);
}

using Indices = std::optional<SmallVector<unsigned, 2>>;

/// The operands of `op` that rotate when its result does, or nothing where it does not commute.
/// The norms are taken without gain and bias, layer norms on values of mean zero.
Indices rotatingOperands(Operation *op) {
  auto last = [&](Value value) { return dimsOf(value.getType()).size() - 1; };
  auto when = [](bool yes, SmallVector<unsigned, 2> which) {
    return yes ? Indices(which) : Indices();
  };
  auto sameLast = [&] { return lastDim(op->getOperand(0)) == lastDim(op->getResult(0)); };
  return llvm::TypeSwitch<Operation *, Indices>(op)
      .Case<AddOp, SubOp>([&](auto o) {
        auto channels = lastDim(o.getOut());
        return when(lastDim(o.getX()) == channels && lastDim(o.getY()) == channels, {0, 1});
      })
      .Case<MulOp>([&](MulOp o) {
        if (isPerRow(o.getY()))
          return when(sameLast(), {0});
        return when(isPerRow(o.getX()) && lastDim(o.getY()) == lastDim(o.getOut()), {1});
      })
      .Case<DivOp>([&](DivOp o) { return when(isPerRow(o.getY()) && sameLast(), {0}); })
      .Case<SelectOp>([&](SelectOp o) {
        auto channels = lastDim(o.getOut());
        return when(isPerRow(o.getCondition()) && lastDim(o.getX()) == channels &&
                        lastDim(o.getY()) == channels,
                    {1, 2});
      })
      .Case<NegOp, IdentityOp>([&](auto) { return when(true, {0}); })
      .Case<ReshapeOp, BroadcastOp>([&](auto) { return when(sameLast(), {0}); })
      .Case<SliceOp>([&](SliceOp o) {
        return when(sameLast() && o.getSteps().back() == 1 &&
                        dimsOf(o.getStarts()).back().isConstant(0),
                    {0});
      })
      .Case<TransposeOp>([&](TransposeOp o) {
        return when(o.getPermutation().back() == int64_t(last(o.getX())), {0});
      })
      .Case<ConcatOp>([&](ConcatOp o) {
        SmallVector<unsigned, 2> all;
        for (unsigned i = 0; i < o.getInputs().size(); ++i)
          all.push_back(i);
        return when(o.getAxis() != last(o.getOut()), all);
      })
      .Case<GatherOp>([&](GatherOp o) { return when(o.getAxis() != last(o.getX()), {0}); })
      .Case<GatherNdOp>([&](GatherNdOp o) {
        auto tuple = lastDim(o.getIndices());
        return when(tuple && int64_t(o.getBatchDims()) + *tuple <= int64_t(last(o.getX())), {0});
      })
      .Case<RmsNormOp>([&](RmsNormOp o) { return when(!o.getGain(), {0}); })
      .Case<LayerNormOp>([&](LayerNormOp o) { return when(!o.getGain() && !o.getBias(), {0}); })
      .Default([](Operation *) { return Indices(); });
}

bool rotates(OpOperand &use) {
  Indices indices = rotatingOperands(use.getOwner());
  return indices && llvm::is_contained(*indices, use.getOperandNumber());
}

LinearOp readingLayer(OpOperand &use) {
  auto layer = dyn_cast<LinearOp>(use.getOwner());
  return layer && use.getOperandNumber() == 0 && hasFloatWeights(layer) ? layer : LinearOp();
}

} // namespace

Stream::Stream(Operation *norm) : channels(lastDim(norm->getResult(0)).value_or(0)) {
  join(norm->getResult(0));
  while (!work.empty()) {
    Value value = work.pop_back_val();
    visitProducer(value);
    visitUses(value);
  }
  for (Value entry : entries)
    exits.erase(entry); // what does not rotate reads the value as it was
}

void Stream::join(Value value) {
  if (values.insert(value))
    work.push_back(value);
}

void Stream::visitProducer(Value value) {
  Operation *def = value.getDefiningOp();
  auto layer = dyn_cast_or_null<LinearOp>(def);
  if (layer && hasFloatWeights(layer)) {
    writers.push_back(layer);
    return;
  }
  Indices operands = def ? rotatingOperands(def) : Indices();
  if (!operands) {
    entries.insert(value);
    return;
  }
  if (isa<RmsNormOp, LayerNormOp>(def))
    norms.push_back(def);
  for (unsigned i : *operands) {
    OpOperand &operand = def->getOpOperand(i);
    if (isConstant(operand.get()))
      constants.push_back(&operand);
    else
      join(operand.get());
  }
}

void Stream::visitUses(Value value) {
  for (OpOperand &use : value.getUses()) {
    if (LinearOp layer = readingLayer(use))
      readers.push_back(layer);
    else if (rotates(use))
      join(use.getOwner()->getResult(0));
    else
      exits[value].push_back(&use);
  }
}

bool Stream::isInside(OpOperand &use) const { return readingLayer(use) || rotates(use); }

bool Stream::isCentred() const {
  return llvm::any_of(norms, [](Operation *norm) { return isa<LayerNormOp>(norm); });
}

/// Whether a value of a centred stream is what it was: made by layer norms, whose results have mean
/// zero.
bool Stream::keepsMean(Value value, int depth) const {
  Operation *def = value.getDefiningOp();
  if (!def || depth > 16 || !values.contains(value) || isa<LinearOp>(def) ||
      entries.contains(value))
    return false;
  if (isa<LayerNormOp>(def))
    return true;
  return llvm::all_of(*rotatingOperands(def),
                      [&](unsigned i) { return keepsMean(def->getOperand(i), depth + 1); });
}

const char *Stream::whyNot() const {
  if (channels < 2 || largestHadamardBlock(channels) < 2)
    return "no Hadamard matrix divides the channels";
  for (Value value : values)
    if (lastDim(value) != channels || !elementTypeOf(value.getType()).isF32())
      return "the stream changes its type";
  if (readers.empty() || (writers.empty() && constants.empty()))
    return "no layers with constant weights read and write the stream";
  if (entries.size() > maxBorders || exits.size() > maxBorders)
    return "ops that do not commute with rotations read or make the stream";
  if (!isCentred())
    return nullptr;
  if (llvm::any_of(norms, [](Operation *norm) { return isa<RmsNormOp>(norm); }))
    return "norms with and without a mean share the stream";
  for (LinearOp layer : readers)
    if (!keepsMean(layer.getX()))
      return "a layer reads the stream before a layer norm";
  for (auto &[value, uses] : exits)
    for (OpOperand *use : uses)
      if (!isa<LayerNormOp>(use->getOwner()) && !keepsMean(value))
        return "something other than layer norms reads the stream";
  return nullptr;
}
