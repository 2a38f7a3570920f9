// Map kernels: a group of elementwise ops without reductions, or a plain strided copy. Axes that
// all operands walk through together are merged; the last one is swept by vectors.
#include "FamilySupport.h"
#include "qcc/Lower/Elementwise.h"
#include "qcc/Lower/Families.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Elements of the last axis that one task does.
constexpr int64_t chunk = 4096;

Value stripReshape(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

struct Leaf {
  Value value;
  Access access;
};

struct MapPlan {
  SmallVector<DimExpr> dims; ///< merged; never empty
  SmallVector<Leaf> leaves;
  SmallVector<Value> outputs;

  static FailureOr<MapPlan> build(KernelOp kernel);
  void mergeAxes(MLIRContext *context);
};

/// Axes i and i + 1 are one when every operand steps through them as through one dense axis.
void MapPlan::mergeAxes(MLIRContext *context) {
  for (size_t i = 0; i + 1 < dims.size();) {
    bool mergeable = llvm::all_of(leaves, [&](const Leaf &leaf) {
      return leaf.access.strides[i] == leaf.access.strides[i + 1] * dims[i + 1];
    });
    // An axis of size 1 merges with anything.
    bool unit = dims[i].isConstant(1), innerUnit = dims[i + 1].isConstant(1);
    if (!mergeable && !unit && !innerUnit) {
      ++i;
      continue;
    }
    for (Leaf &leaf : leaves) {
      // The stride of the merged axis is the inner one, unless that axis has one element.
      if (innerUnit && !unit)
        leaf.access.strides[i + 1] = leaf.access.strides[i];
      leaf.access.strides.erase(leaf.access.strides.begin() + i);
    }
    dims[i + 1] = dims[i] * dims[i + 1];
    dims.erase(dims.begin() + i);
  }
  if (dims.empty()) {
    dims.push_back(DimExpr::constant(context, 1));
    for (Leaf &leaf : leaves)
      leaf.access.strides.push_back(DimExpr::constant(context, 0));
  }
}

FailureOr<MapPlan> MapPlan::build(KernelOp kernel) {
  MapPlan plan;
  Block &body = kernel.getBody().front();
  SmallVector<Value> wanted;
  for (Value value : body.getTerminator()->getOperands()) {
    // A lone chain of views is a copy: its value is a leaf.
    Value source = stripReshape(value);
    // So is the copy of a number, which has no address.
    if (auto copy = source.getDefiningOp<IdentityOp>())
      if (copy.getX().getDefiningOp<ConstantOp>())
        source = copy.getX();
    Operation *def = source.getDefiningOp();
    bool computed = def && (def->hasTrait<Elementwise>() || isa<ConstantOp>(def));
    plan.outputs.push_back(computed ? source : value);
  }
  plan.dims = dimsOf(plan.outputs[0].getType());
  auto addLeaf = [&](Value value) -> LogicalResult {
    if (llvm::any_of(plan.leaves, [&](Leaf &leaf) { return leaf.value == value; }))
      return success();
    auto access = accessOf(value);
    if (failed(access))
      return failure();
    plan.leaves.push_back({value, access->broadcastTo(dimsOf(value.getType()), plan.dims)});
    return success();
  };
  for (Operation &op : body.without_terminator()) {
    if (isView(&op) || isa<ConstantOp>(op))
      continue;
    for (Value operand : op.getOperands()) {
      Operation *def = operand.getDefiningOp();
      if ((!def || isView(def)) && failed(addLeaf(operand)))
        return refuse(&op, "map kernels cannot address its operand of type " + typeText(operand));
    }
  }
  for (Value output : plan.outputs) {
    Operation *def = output.getDefiningOp();
    if ((!def || isView(def)) && failed(addLeaf(output)))
      return refuse(kernel, "map kernels cannot address a result of type " + typeText(output));
  }
  plan.mergeAxes(kernel.getContext());
  return plan;
}

class MapEmitter {
public:
  MapEmitter(KernelFrame &frame, MapPlan &plan) : frame(frame), k(frame.k), plan(plan) {}
  LogicalResult emit();

private:
  Value load(unsigned index, Value i, Value lanes);
  Value evaluate(Value value, Value i, Value lanes);

  KernelFrame &frame;
  KernelBuilder &k;
  MapPlan &plan;
  SmallVector<SmallVector<Value>> strides; ///< per leaf
  SmallVector<Value> offsets, bases;
  SmallVector<Value> repeated; ///< per leaf: the broadcast value where the inner stride is 0
  llvm::DenseMap<Value, Value> memo;
  bool failedOp = false;
};

Value MapEmitter::load(unsigned index, Value i, Value lanes) {
  const Access &access = plan.leaves[index].access;
  Value pointer = frame.pointer(access.source);
  if (repeated[index])
    return repeated[index];
  if (access.strides.back().isConstant(1))
    return k.vload(access.elem, pointer, k.add(bases[index], i), lanes);
  Value stride = strides[index].back();
  return k.vloadStrided(access.elem, pointer, k.add(bases[index], k.mul(i, stride)), stride, lanes);
}

Value MapEmitter::evaluate(Value value, Value i, Value lanes) {
  auto it = memo.find(value);
  if (it != memo.end())
    return it->second;
  Value result;
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast_or_null<ConstantOp>(op)) {
    result = k.broadcast(emitConstant(k, constant));
  } else if (!op || isView(op)) {
    for (auto [index, leaf] : llvm::enumerate(plan.leaves))
      if (leaf.value == value)
        result = load(index, i, lanes);
  } else {
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(evaluate(operand, i, lanes));
    auto emitted = emitElementwise(k, op, operands, lanes ? k.laneMask(lanes) : Value());
    if (failed(emitted)) {
      failedOp = true;
      (void)refuse(op, "there is no code for " + typeText(op->getResult(0)));
      return operands[0];
    }
    result = *emitted;
  }
  return memo[value] = result;
}

LogicalResult MapEmitter::emit() {
  MLIRContext *context = frame.kernel.getContext();
  DimExpr inner = plan.dims.back();
  Value length = frame.dim(inner), size = k.ci64(chunk);
  Value chunks = frame.dim(inner.ceilDiv(DimExpr::constant(context, chunk)));
  SmallVector<Value> lead;
  for (DimExpr dim : ArrayRef(plan.dims).drop_back())
    lead.push_back(frame.dim(dim));
  for (Leaf &leaf : plan.leaves) {
    offsets.push_back(frame.dim(leaf.access.offset));
    strides.emplace_back();
    for (DimExpr stride : leaf.access.strides)
      strides.back().push_back(frame.dim(stride));
  }
  k.forTasks([&](Value task) {
    Value row = lead.empty() ? Value() : k.divU(task, chunks);
    Value part = lead.empty() ? task : k.remU(task, chunks);
    Value from = k.mul(part, size), to = k.min(k.add(from, size), length);
    bases = offsets;
    Value rest = row;
    for (int axis = static_cast<int>(lead.size()) - 1; axis >= 0; --axis) {
      Value index = axis ? k.remU(rest, lead[axis]) : rest;
      rest = axis ? k.divU(rest, lead[axis]) : rest;
      for (auto [base, leaf, stride] : llvm::zip(bases, plan.leaves, strides))
        if (!leaf.access.strides[axis].isConstant(0))
          base = k.add(base, k.mul(index, stride[axis]));
    }
    Value outBase = row ? k.add(k.mul(row, length), from) : from;
    for (auto [base, leaf, stride] : llvm::zip(bases, plan.leaves, strides))
      if (!leaf.access.strides.back().isConstant(0))
        base = k.add(base, k.mul(from, stride.back()));
    repeated.assign(plan.leaves.size(), Value());
    for (auto [index, leaf] : llvm::enumerate(plan.leaves))
      if (leaf.access.strides.back().isConstant(0))
        repeated[index] =
            k.broadcast(k.load(leaf.access.elem, frame.pointer(leaf.access.source), bases[index]));
    k.forLanes(k.sub(to, from), [&](Value i, Value lanes) {
      memo.clear();
      for (auto [index, output] : llvm::enumerate(plan.outputs))
        k.vstore(*elemOf(elementTypeOf(output.getType())), evaluate(output, i, lanes),
                 frame.resultPointer(index), k.add(outBase, i), lanes);
    });
  });
  return success(!failedOp);
}

} // namespace

FailureOr<LaunchShape> lower::mapShape(KernelOp kernel) {
  auto plan = MapPlan::build(kernel);
  if (failed(plan))
    return failure();
  MLIRContext *context = kernel.getContext();
  DimExpr inner = plan->dims.back(), size = DimExpr::constant(context, chunk);
  LaunchShape shape;
  shape.tasks = rowCount(context, plan->dims) * inner.ceilDiv(size);
  shape.grain = DimExpr::constant(context, 16384).ceilDiv(inner.min(size) + 1);
  shape.scratchBytes = DimExpr::constant(context, 0);
  return shape;
}

LogicalResult lower::emitMap(KernelFrame &frame) {
  auto plan = MapPlan::build(frame.kernel);
  if (failed(plan))
    return failure();
  return MapEmitter(frame, *plan).emit();
}
