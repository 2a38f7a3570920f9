// Row kernels: a group of elementwise ops and reductions over the last axis, written as the fewest
// sweeps over one row. A reduction ends a sweep; what later sweeps need again is kept in scratch.
//
//   sweep 0:  x = a + b -> scratch, s = sum x          layer_norm(a + b), for example
//   sweep 1:  d = x - s/n -> scratch, v = sum d*d
//   sweep 2:  out = d / sqrt(v/n + eps) * gain + bias
#include "FamilySupport.h"
#include "qcc/Lower/Elementwise.h"
#include "qcc/Lower/Families.h"
#include "qcc/Lower/TokenRow.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// Where a value of the group lives.
enum class Place { Leaf, Vector, Scalar };

struct Node {
  Place place = Place::Leaf;
  int level = 0;      ///< sweep in which a vector is computed; sweeps before a scalar is known
  Access access;      ///< leaves
  int spillSlot = -1; ///< row of scratch, for vectors that later sweeps read
};

/// The schedule of a group; built once for the launch shape and once for emission.
class RowPlan {
public:
  static FailureOr<RowPlan> build(KernelOp kernel);

  SmallVector<DimExpr> dims; ///< of the row space
  llvm::MapVector<Value, Node> nodes;
  SmallVector<std::pair<Value, unsigned>> outputs; ///< value, result number
  int sweeps = 1, spills = 0;

  const Node &node(Value value) const { return nodes.find(value)->second; }
  bool isScalarType(Type type) const;

private:
  LogicalResult addOp(Operation *op);
  LogicalResult leaf(Operation *reader, Value value);
  void spillIfNeeded(Value value, int useLevel);
};

/// Output values may be renamed by reshapes, which keep row-major order.
Value stripReshape(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

/// Scratch rows hold compute values, at most 8 bytes each, and rows start on cache lines.
DimExpr spillBytes(DimExpr length) {
  MLIRContext *context = length.getContext();
  return (length * 8 + 63).floorDiv(DimExpr::constant(context, 64)) * 64;
}

bool isQuantization(Operation *op) { return isa<QuantizeOp, QuantizeStaticOp>(op); }

Elem computeElem(Type type) {
  if (type.isF32())
    return Elem::F32;
  if (type.isF64())
    return Elem::F64;
  if (type.isInteger(1))
    return Elem::Bool;
  return type.isInteger(64) ? Elem::I64 : Elem::I32;
}

} // namespace

/// One value per row: the last axis has size 1 where the row space does not.
bool RowPlan::isScalarType(Type type) const {
  SmallVector<DimExpr> own = dimsOf(type);
  return own.empty() || (own.back().isConstant(1) && !dims.back().isConstant(1));
}

/// What is not computed lies in memory.
LogicalResult RowPlan::leaf(Operation *reader, Value value) {
  if (nodes.count(value))
    return success();
  auto access = accessOf(value);
  if (failed(access))
    return refuse(reader, "row kernels cannot address its operand of type " + typeText(value));
  nodes[value].access = access->broadcastTo(dimsOf(value.getType()), dims);
  return success();
}

void RowPlan::spillIfNeeded(Value value, int useLevel) {
  Node &node = nodes.find(value)->second;
  if (node.place == Place::Vector && node.level < useLevel && node.spillSlot < 0)
    node.spillSlot = spills++;
}

LogicalResult RowPlan::addOp(Operation *op) {
  if (isa<ConstantOp, DimTensorOp>(op)) {
    Node constant;
    constant.place = Place::Scalar;
    nodes.insert({op->getResult(0), constant});
    return success();
  }
  bool isReduce = isa<ReduceOp>(op), isQuantize = isQuantization(op);
  if (auto type = isQuantize ? cast<QType>(op->getResult(0).getType()) : QType();
      type && !isTokenRow(type))
    return refuse(op, "row kernels cannot write " + valueText(op->getResult(0)) +
                          ": sums must not reach over groups, and tokens need a token layout");
  int level = 0;
  for (Value operand : op->getOperands()) {
    if (failed(leaf(op, operand)))
      return failure();
    level = std::max(level, node(operand).level);
  }
  // The codes need the largest magnitude, which is a reduction of its own.
  int useLevel = isQuantize ? level + 1 : level;
  for (Value operand : op->getOperands())
    spillIfNeeded(operand, useLevel);
  Node result;
  bool scalar = isReduce || (!isQuantize && isScalarType(op->getResult(0).getType()));
  result.place = scalar ? Place::Scalar : Place::Vector;
  result.level = isReduce ? level + 1 : useLevel;
  nodes.insert({op->getResult(0), result});
  sweeps = std::max(sweeps, scalar ? result.level : result.level + 1);
  return success();
}

FailureOr<RowPlan> RowPlan::build(KernelOp kernel) {
  RowPlan plan;
  Block &body = kernel.getBody().front();
  // The row space is the widest shape that a reduction reads or an output has.
  for (Operation &op : body) {
    Type type;
    if (isa<ReduceOp>(op) || isQuantization(&op))
      type = op.getOperand(0).getType();
    else if (op.hasTrait<Elementwise>())
      type = op.getResult(0).getType();
    else
      continue;
    SmallVector<DimExpr> dims = dimsOf(type);
    bool wider = plan.dims.empty() || (plan.dims.back().isConstant(1) && !dims.empty());
    if (wider || isa<ReduceOp>(op))
      plan.dims = dims;
    if (isa<ReduceOp>(op))
      break;
  }
  if (plan.dims.empty())
    plan.dims = {DimExpr::constant(kernel.getContext(), 1)};
  for (Operation &op : body.without_terminator())
    if (!isView(&op) && failed(plan.addOp(&op)))
      return failure();
  for (auto [i, value] : llvm::enumerate(body.getTerminator()->getOperands())) {
    Value source = stripReshape(value);
    if (failed(plan.leaf(body.getTerminator(), source)))
      return failure();
    plan.outputs.emplace_back(source, i);
  }
  return plan;
}

namespace {

/// Emission of one group, row by row.
class RowEmitter {
public:
  RowEmitter(KernelFrame &frame, RowPlan &plan) : frame(frame), k(frame.k), plan(plan) {}
  LogicalResult emit();

private:
  void emitRow(Value row);
  void prepareLeaves();
  Value rowOffset(Value value, Value row);
  Value vector(Value value, int level, Value i, Value lanes);
  Value loadLeaf(Value value, Value i, Value lanes);
  Value scalar(Value value);
  void computeScalars(int level);
  TokenRange rangeOf(Value codes);
  void sweep(int level, Value row);
  void storeOutputs(int level, Value row, Value i, Value lanes);
  Value spillPointer(int slot) { return k.bytePtr(k.scratch(), k.mul(k.ci64(slot), spillStride)); }

  KernelFrame &frame;
  KernelBuilder &k;
  RowPlan &plan;
  Value length, spillStride;
  llvm::DenseMap<unsigned, TokenBuffer> tokenBuffers; ///< by result number
  /// Leaves: values of stride and offset expressions, computed before the loop over rows.
  struct Address {
    SmallVector<Value> strides;
    SmallVector<bool> isZero;
    Value offset;
    int64_t innerStride = -1; ///< 0 or 1 where known, -1 otherwise
  };
  llvm::DenseMap<Value, Address> addresses;
  SmallVector<Value> leadDims;
  llvm::DenseMap<Value, Value> rowBases; ///< leaves: element index of the row's start
  llvm::DenseMap<Value, Value> scalars;  ///< of the current row
  llvm::DenseMap<Value, Value> lows;     ///< smallest values that quantizations need
  llvm::DenseMap<Value, Value> memo;     ///< vectors at the current position of the sweep
  bool failedOp = false;
};

void RowEmitter::prepareLeaves() {
  for (DimExpr dim : ArrayRef(plan.dims).drop_back())
    leadDims.push_back(frame.dim(dim));
  for (auto &[value, node] : plan.nodes) {
    if (node.place != Place::Leaf)
      continue;
    Address address;
    address.offset = frame.dim(node.access.offset);
    for (DimExpr stride : node.access.strides) {
      address.isZero.push_back(stride.isConstant(0));
      address.strides.push_back(frame.dim(stride));
    }
    DimExpr inner = node.access.strides.empty() ? node.access.offset : node.access.strides.back();
    if (node.access.strides.empty() || inner.isConstant(0))
      address.innerStride = 0;
    else if (inner.isConstant(1))
      address.innerStride = 1;
    addresses[value] = address;
  }
}

/// Element index of the first element of `row` in a leaf.
Value RowEmitter::rowOffset(Value value, Value row) {
  Address &address = addresses[value];
  const Node &node = plan.node(value);
  // A dense operand needs no division: its rows follow each other.
  SmallVector<DimExpr> dense = denseStrides(value.getContext(), plan.dims);
  if (ArrayRef(dense).drop_back() == ArrayRef(node.access.strides).drop_back())
    return k.add(address.offset, k.mul(row, length));
  Value offset = address.offset, rest = row;
  for (int i = static_cast<int>(leadDims.size()) - 1; i >= 0; --i) {
    bool needed =
        llvm::any_of(ArrayRef(address.isZero).take_front(i + 1), [](bool zero) { return !zero; });
    if (!needed)
      break;
    Value index = i == 0 ? rest : k.remU(rest, leadDims[i]);
    if (i > 0)
      rest = k.divU(rest, leadDims[i]);
    if (!address.isZero[i])
      offset = k.add(offset, k.mul(index, address.strides[i]));
  }
  return offset;
}

Value RowEmitter::loadLeaf(Value value, Value i, Value lanes) {
  const Node &node = plan.node(value);
  Address &address = addresses[value];
  Value pointer = frame.pointer(node.access.source), base = rowBases[value];
  if (address.innerStride == 0)
    return k.broadcast(scalar(value));
  if (address.innerStride == 1)
    return k.vload(node.access.elem, pointer, k.add(base, i), lanes);
  Value stride = address.strides.back();
  return k.vloadStrided(node.access.elem, pointer, k.add(base, k.mul(i, stride)), stride, lanes);
}

/// A row scalar: a reduction, arithmetic on scalars, or a leaf that repeats along the row.
Value RowEmitter::scalar(Value value) {
  auto it = scalars.find(value);
  if (it != scalars.end())
    return it->second;
  const Node &node = plan.node(value);
  assert(node.place == Place::Leaf && "scalars are computed when their level is reached");
  return scalars[value] =
             k.load(node.access.elem, frame.pointer(node.access.source), rowBases[value]);
}

/// 16 elements of a vector value at position i, in sweep `level`.
Value RowEmitter::vector(Value value, int level, Value i, Value lanes) {
  auto it = memo.find(value);
  if (it != memo.end())
    return it->second;
  const Node &node = plan.node(value);
  Value result;
  if (node.place == Place::Leaf) {
    result = loadLeaf(value, i, lanes);
  } else if (node.place == Place::Scalar) {
    result = k.broadcast(scalar(value));
  } else if (node.level < level) {
    assert(node.spillSlot >= 0 && "later sweeps read spilled values");
    Type type = k.computeType(*elemOf(elementTypeOf(value.getType())));
    result = k.vload(computeElem(type), spillPointer(node.spillSlot), i, lanes);
  } else {
    Operation *op = value.getDefiningOp();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(vector(operand, level, i, lanes));
    auto emitted = emitElementwise(k, op, operands, lanes ? k.laneMask(lanes) : Value());
    if (failed(emitted)) {
      failedOp = true;
      (void)refuse(op, "there is no code for " + typeText(op->getResult(0)));
      result = operands[0];
    } else {
      result = *emitted;
    }
    if (node.spillSlot >= 0) {
      Type type = getElementTypeOrSelf(result.getType());
      k.vstore(computeElem(type), result, spillPointer(node.spillSlot), i, lanes);
    }
  }
  return memo[value] = result;
}

Value identityOf(KernelBuilder &k, ReduceKind kind, Type type) {
  bool isFloat = isa<FloatType>(type);
  double infinity = std::numeric_limits<double>::infinity();
  switch (kind) {
  case ReduceKind::max:
    if (isFloat)
      return k.constant(type, -infinity);
    return type.isInteger(64) ? k.ci64(INT64_MIN) : k.ci32(INT32_MIN);
  case ReduceKind::min:
    if (isFloat)
      return k.constant(type, infinity);
    return type.isInteger(64) ? k.ci64(INT64_MAX) : k.ci32(INT32_MAX);
  case ReduceKind::prod:
    return k.constant(type, 1);
  default:
    return k.constant(type, 0);
  }
}

Value combine(KernelBuilder &k, ReduceKind kind, Value x, Value y) {
  switch (kind) {
  case ReduceKind::max:
    return k.max(x, y);
  case ReduceKind::min:
    return k.min(x, y);
  case ReduceKind::prod:
    return k.mul(x, y);
  default:
    return k.add(x, y);
  }
}

void RowEmitter::storeOutputs(int level, Value row, Value i, Value lanes) {
  for (auto [value, index] : plan.outputs) {
    const Node &node = plan.node(value);
    if (isa<QType>(value.getType()) || node.place == Place::Scalar)
      continue;
    if ((node.place == Place::Vector ? node.level : 0) != level)
      continue;
    Elem elem = *elemOf(elementTypeOf(value.getType()));
    k.vstore(elem, vector(value, level, i, lanes), frame.resultPointer(index),
             k.add(k.mul(row, length), i), lanes);
  }
}

/// What a sweep carries: a reduction of the group, or a range that a quantization needs.
struct Accumulator {
  Value result, operand;
  ReduceKind kind;
  bool magnitude = false; ///< of |x|
  bool fromZero = false;  ///< 0 counts as an element
};

/// Symmetric types need the largest magnitude, others the smallest and the largest value; groups
/// find their own.
void addRanges(QuantizeOp quantize, SmallVectorImpl<Accumulator> &accumulators) {
  if (quantize.getOut().getType().getGroup())
    return;
  bool symmetric = quantize.getOut().getType().isSymmetric();
  accumulators.push_back({quantize.getOut(), quantize.getX(), ReduceKind::max, symmetric, true});
  if (!symmetric)
    accumulators.push_back({quantize.getOut(), quantize.getX(), ReduceKind::min, false, true});
}

/// One pass over the row: everything whose inputs are known after `level` reductions.
void RowEmitter::sweep(int level, Value row) {
  SmallVector<Accumulator> accumulators;
  for (Operation &op : frame.body().without_terminator()) {
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      if (plan.node(reduce.getOut()).level == level + 1)
        accumulators.push_back({reduce.getOut(), reduce.getX(), reduce.getKind()});
    } else if (auto quantize = dyn_cast<QuantizeOp>(op)) {
      if (plan.node(quantize.getOut()).level == level + 1)
        addRanges(quantize, accumulators);
    }
  }
  SmallVector<Value> init;
  for (Accumulator &a : accumulators) {
    Type type = k.computeType(*elemOf(elementTypeOf(a.operand.getType())));
    init.push_back(k.broadcast(a.fromZero ? k.constant(type, 0) : identityOf(k, a.kind, type)));
  }
  auto totals = k.forLanes(length, init, [&](Value i, Value lanes, ValueRange carried) {
    memo.clear();
    KernelBuilder::Values next;
    for (auto [a, acc] : llvm::zip(accumulators, carried)) {
      Value x = vector(a.operand, level, i, lanes);
      if (a.magnitude)
        x = k.abs(x);
      Type type = getElementTypeOrSelf(x.getType());
      Value fill = a.fromZero ? k.constant(type, 0) : identityOf(k, a.kind, type);
      x = k.fillTail(x, lanes, fill);
      // Ranges leave NaN out, which is not greater or less than anything.
      next.push_back(!a.fromZero                 ? combine(k, a.kind, acc, x)
                     : a.kind == ReduceKind::max ? k.maxFast(x, acc)
                                                 : k.minFast(x, acc));
    }
    // Vectors that only later sweeps read are computed (and spilled) here.
    for (auto &[value, node] : plan.nodes)
      if (node.place == Place::Vector && node.level == level && node.spillSlot >= 0)
        vector(value, level, i, lanes);
    storeOutputs(level, row, i, lanes);
    return next;
  });
  for (auto [a, total] : llvm::zip(accumulators, totals)) {
    ReduceKind kind = a.kind;
    Value value = k.reduce(total, [&](Value x, Value y) { return combine(k, kind, x, y); });
    if (a.fromZero && kind == ReduceKind::min)
      lows[a.result] = value;
    else
      scalars[a.result] = value;
  }
}

/// Scalar arithmetic that becomes known after `level` sweeps, and scalar outputs.
void RowEmitter::computeScalars(int level) {
  for (Operation &op : frame.body().without_terminator()) {
    if (!op.hasTrait<Elementwise>())
      continue;
    const Node &node = plan.node(op.getResult(0));
    if (node.place != Place::Scalar || node.level != level)
      continue;
    SmallVector<Value> operands;
    for (Value operand : op.getOperands())
      operands.push_back(scalar(operand));
    auto emitted = emitElementwise(k, &op, operands);
    if (failed(emitted)) {
      failedOp = true;
      (void)refuse(&op, "there is no code for " + typeText(op.getResult(0)));
      emitted = operands[0];
    }
    scalars[op.getResult(0)] = *emitted;
  }
}

TokenRange RowEmitter::rangeOf(Value codes) {
  if (auto fixed = codes.getDefiningOp<QuantizeStaticOp>()) {
    Value zero;
    bool moves = cast<QType>(codes.getType()).getZero() || fixed.getFull();
    if (moves)
      zero = k.ci32(static_cast<int32_t>(fixed.getZero()));
    if (fixed.getShift())
      zero = k.add(zero, scalar(fixed.getShift()));
    return {{}, {}, k.cf32(fixed.getScale().convertToFloat()), zero};
  }
  return {lows.lookup(codes), scalars.lookup(codes), {}, {}};
}

void RowEmitter::emitRow(Value row) {
  rowBases.clear();
  scalars.clear();
  for (auto &[value, node] : plan.nodes)
    if (node.place == Place::Leaf)
      rowBases[value] = rowOffset(value, row);
  // Leaves that repeat along the row are read once.
  for (auto &[value, node] : plan.nodes)
    if (node.place == Place::Leaf && addresses[value].innerStride == 0)
      scalar(value);
  for (ConstantOp constant : frame.body().getOps<ConstantOp>())
    scalars[constant] = emitConstant(k, constant);
  for (DimTensorOp size : frame.body().getOps<DimTensorOp>())
    scalars[size] = frame.dim(dimsOf(size.getDims())[0]);
  computeScalars(0);
  for (int level = 0; level < plan.sweeps; ++level) {
    sweep(level, row);
    computeScalars(level + 1);
    for (auto [value, index] : plan.outputs)
      if (isa<QType>(value.getType()) && plan.node(value).level == level + 1) {
        memo.clear();
        emitTokenRow(k, tokenBuffers[index], row, length, rangeOf(value),
                     [&](Value i, Value lanes) {
                       memo.clear();
                       return vector(value.getDefiningOp()->getOperand(0), level + 1, i, lanes);
                     });
      }
  }
  for (auto [value, index] : plan.outputs)
    if (!isa<QType>(value.getType()) && plan.node(value).place == Place::Scalar)
      k.store(*elemOf(elementTypeOf(value.getType())), scalars[value], frame.resultPointer(index),
              row);
}

LogicalResult RowEmitter::emit() {
  length = frame.dim(plan.dims.back());
  spillStride = frame.dim(spillBytes(plan.dims.back()));
  for (auto [value, index] : plan.outputs)
    if (auto type = dyn_cast<QType>(value.getType()))
      tokenBuffers[index] = tokenBuffer(frame, type, frame.resultPointer(index));
  prepareLeaves();
  for (DimTensorOp size : frame.body().getOps<DimTensorOp>())
    frame.dim(dimsOf(size.getDims())[0]);
  k.forTasks([&](Value row) { emitRow(row); });
  return success(!failedOp);
}

} // namespace

DimExpr lower::rowCount(MLIRContext *context, ArrayRef<DimExpr> dims) {
  return elementCount(context, dims.drop_back());
}

FailureOr<LaunchShape> lower::rowShape(KernelOp kernel) {
  auto plan = RowPlan::build(kernel);
  if (failed(plan))
    return failure();
  MLIRContext *context = kernel.getContext();
  DimExpr length = plan->dims.back();
  LaunchShape shape;
  shape.tasks = rowCount(context, plan->dims);
  shape.grain = DimExpr::constant(context, 8192).ceilDiv(length + 1);
  shape.scratchBytes = spillBytes(length) * plan->spills;
  return shape;
}

LogicalResult lower::emitRow(KernelFrame &frame) {
  auto plan = RowPlan::build(frame.kernel);
  if (failed(plan))
    return failure();
  return RowEmitter(frame, *plan).emit();
}
