// Ops that move or make elements.
#include "GraphExporter.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::exporter;
using namespace qcc::qnt;

namespace {

/// Sizes that the operand has already are 1 in the shape of Expand.
std::string broadcasted(GraphExporter &e, BroadcastOp op) {
  SmallVector<DimExpr> from = dimsOf(op.getX().getType()), to = dimsOf(op.getType());
  SmallVector<DimExpr> shape;
  DimExpr one = DimExpr::constant(op.getContext(), 1);
  for (size_t i = 0; i < to.size(); ++i) {
    bool has = i + from.size() >= to.size() && from[i + from.size() - to.size()] == to[i];
    shape.push_back(has ? one : to[i]);
  }
  return e.add("Expand", {e.name(op.getX()), e.shape(shape)});
}

std::string sliced(GraphExporter &e, SliceOp op) {
  SmallVector<DimExpr> from = dimsOf(op.getX().getType()), to = dimsOf(op.getType());
  SmallVector<DimExpr> starts = dimsOf(op.getStarts()), begin, end;
  SmallVector<int64_t> axes, steps;
  for (auto [axis, start] : llvm::enumerate(starts)) {
    int64_t step = op.getSteps()[axis];
    if (start.isConstant(0) && step == 1 && from[axis] == to[axis])
      continue;
    DimExpr last = start + to[axis] * step;
    if (step < 0 && last.isConstant(-1)) // one before the first, which -1 does not mean
      last = DimExpr::constant(op.getContext(), INT32_MIN);
    else if (step == 1 && last == from[axis])
      last = DimExpr::constant(op.getContext(), INT64_MAX);
    begin.push_back(start);
    end.push_back(last);
    axes.push_back(static_cast<int64_t>(axis));
    steps.push_back(step);
  }
  std::string x = e.name(op.getX());
  if (axes.empty())
    return e.add("Identity", {x});
  return e.add("Slice", {x, e.shape(begin), e.shape(end), e.integers(axes), e.integers(steps)});
}

std::string padded(GraphExporter &e, PadOp op) {
  SmallVector<DimExpr> pads = dimsOf(op.getLow());
  llvm::append_range(pads, dimsOf(op.getHigh()));
  return e.add("Pad", {e.name(op.getX()), e.shape(pads), e.name(op.getValue())},
               {attr("mode", stringifyPadMode(op.getMode()))});
}

std::string counted(GraphExporter &e, IotaOp op) {
  SmallVector<DimExpr> dims = dimsOf(op.getType());
  Type element = elementTypeOf(op.getType()), i64 = IntegerType::get(op.getContext(), 64);
  DimExpr size = dims[op.getAxis()], start = dimsOf(op.getStart())[0];
  std::string values;
  if (start.isConstant(0) && op.getStep() == 1)
    values = e.range(size);
  else
    values = e.add("Range", {e.scalar(start), e.scalar(start + size * op.getStep()),
                             e.number(i64, static_cast<double>(op.getStep()))});
  values = e.cast(values, i64, element);
  if (dims.size() == 1)
    return e.add("Identity", {values});
  SmallVector<DimExpr> line(dims.size(), DimExpr::constant(op.getContext(), 1)), rest = dims;
  line[op.getAxis()] = size;
  rest[op.getAxis()] = DimExpr::constant(op.getContext(), 1);
  values = e.reshape(values, {size}, line);
  return e.add("Expand", {values, e.shape(rest)});
}

std::string dimTensor(GraphExporter &e, DimTensorOp op) {
  SmallVector<DimExpr> dims = dimsOf(op.getDims());
  bool isScalar = dimsOf(op.getType()).empty();
  std::string value = isScalar ? e.scalar(dims[0]) : e.shape(dims);
  return e.cast(value, IntegerType::get(op.getContext(), 64), elementTypeOf(op.getType()));
}

Attributes reductionOf(ScatterKind kind) {
  return {attr("reduction", kind == ScatterKind::set ? "none" : stringifyScatterKind(kind))};
}

std::string nonZero(GraphExporter &e, NonZeroOp op) {
  std::string x = e.name(op.getX());
  if (dimsOf(op.getX().getType()).empty())
    x = e.add("Reshape", {x, e.integers({1})});
  std::string found = e.add("NonZero", {x});
  e.symbolValues.try_emplace(
      op.getSymbol(),
      e.add("Shape", {found}, {attr("start", int64_t(1)), attr("end", int64_t(2))}));
  return e.add("Identity", {found});
}

std::string nonZeroCount(GraphExporter &e, NonZeroCountOp op) {
  Type element = elementTypeOf(op.getX().getType()), i64 = elementTypeOf(op.getType());
  std::string x = e.cast(e.name(op.getX()), element, IntegerType::get(op.getContext(), 1));
  return e.add("ReduceSum", {e.cast(x, {}, i64)}, {attr("keepdims", int64_t(0))});
}

Names gathered(GraphExporter &e, Operation *op) {
  return {e.name(op->getOperand(0)), e.name(op->getOperand(1))};
}

std::string exportShape(GraphExporter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case([&](ReshapeOp o) {
        return e.reshape(e.name(o.getX()), dimsOf(o.getX().getType()), dimsOf(o.getType()));
      })
      .Case([&](TransposeOp o) { return e.transpose(e.name(o.getX()), o.getPermutation()); })
      .Case([&](BroadcastOp o) { return broadcasted(e, o); })
      .Case([&](SliceOp o) { return sliced(e, o); })
      .Case([&](ConcatOp o) {
        Names inputs;
        for (Value input : o.getInputs())
          inputs.push_back(e.name(input));
        return e.add("Concat", inputs, {attr("axis", o.getAxisAttr().getInt())});
      })
      .Case([&](PadOp o) { return padded(e, o); })
      .Case([&](IotaOp o) { return counted(e, o); })
      .Case([&](DimTensorOp o) { return dimTensor(e, o); })
      .Case([&](IdentityOp o) { return e.add("Identity", {e.name(o.getX())}); })
      .Default([](Operation *) { return std::string(); });
}

std::string exportIndexing(GraphExporter &e, Operation *op) {
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case([&](GatherOp o) {
        return e.add("Gather", gathered(e, op), {attr("axis", o.getAxisAttr().getInt())});
      })
      .Case([&](GatherElementsOp o) {
        return e.add("GatherElements", gathered(e, op), {attr("axis", o.getAxisAttr().getInt())});
      })
      .Case([&](GatherNdOp o) {
        return e.add("GatherND", gathered(e, op), {attr("batch_dims", int64_t(o.getBatchDims()))});
      })
      .Case([&](ScatterNdOp o) {
        Names inputs = gathered(e, op);
        inputs.push_back(e.name(o.getUpdates()));
        return e.add("ScatterND", inputs, reductionOf(o.getKind()));
      })
      .Case([&](ScatterElementsOp o) {
        Names inputs = gathered(e, op);
        inputs.push_back(e.name(o.getUpdates()));
        Attributes attributes = reductionOf(o.getKind());
        attributes.push_back(attr("axis", o.getAxisAttr().getInt()));
        return e.add("ScatterElements", inputs, attributes);
      })
      .Case([&](NonZeroOp o) { return nonZero(e, o); })
      .Case([&](NonZeroCountOp o) { return nonZeroCount(e, o); })
      .Default([](Operation *) { return std::string(); });
}

} // namespace

bool exporter::exportMove(GraphExporter &e, Operation *op) {
  if (isa<UseOp, RequireEqualOp>(op)) // weights are named when they are read
    return true;
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    auto value = dyn_cast<DenseElementsAttr>(constant.getValue());
    if (!value)
      return false;
    e.define(constant.getOut(), e.constant(value));
    return true;
  }
  if (auto bind = dyn_cast<BindDimOp>(op)) {
    e.symbolValues[bind.getSymbol()] = e.add("Reshape", {e.name(bind.getSize()), e.integers({1})});
    return true;
  }
  std::string value = exportShape(e, op);
  if (value.empty())
    value = exportIndexing(e, op);
  if (value.empty())
    return false;
  e.define(op->getResult(0), value);
  return true;
}
