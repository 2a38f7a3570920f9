// Linear layers: the constant-matrix product with its fused epilogue.
#include "FamilySupport.h"
#include "qcc/Kernels/Matmul.h"
#include "qcc/Kernels/QuantizedLayout.h"
#include "qcc/Lower/Elementwise.h"
#include "qcc/Lower/Families.h"

using namespace mlir;
using namespace qcc;
using namespace qcc::lower;
using namespace qcc::qnt;

namespace {

/// The layer at the head of the group, whatever its kind.
struct Layer {
  Operation *op;
  Value x, bias;
  QType weight;
  DimExpr m, n, k;

  static FailureOr<Layer> of(KernelOp kernel) {
    Operation *op = &kernel.getBody().front().front();
    while (op && !isa<LinearOp, QLinearOp>(op))
      op = op->getNextNode();
    if (!op)
      return failure();
    Layer layer{op, op->getOperand(0), {}, dyn_cast<QType>(op->getOperand(1).getType()), {}, {},
                {}};
    if (op->getNumOperands() > 2)
      layer.bias = op->getOperand(2);
    if (!layer.weight || layer.weight.getLayout() == Layout::logical)
      return op->emitOpError("has a weight that is not packed");
    SmallVector<DimExpr> out = dimsOf(op->getResult(0).getType());
    layer.m = rowCount(op->getContext(), out);
    layer.n = dimsOf(layer.weight)[0];
    layer.k = dimsOf(layer.weight)[1];
    return layer;
  }
};

Elem storageElem(Storage storage) {
  return storage == Storage::f16 ? Elem::F16 : storage == Storage::bf16 ? Elem::BF16 : Elem::F32;
}

class LinearEmitter {
public:
  LinearEmitter(KernelFrame &frame, Layer &layer) : frame(frame), k(frame.k), layer(layer) {}
  LogicalResult emit();

private:
  MatmulSpec spec();
  MatmulOperands operands();
  Value input(Value value, const MatmulResult &at);
  void epilogue(const MatmulResult &at);

  KernelFrame &frame;
  KernelBuilder &k;
  Layer &layer;
  Value n;
  bool failedOp = false;
};

MatmulSpec LinearEmitter::spec() {
  MatmulSpec spec;
  switch (layer.weight.getLayout()) {
  case Layout::panel16_k4:
    spec.kind = MatmulKind::W8A8;
    break;
  case Layout::panel16_u4:
    spec.kind = MatmulKind::W4A8;
    spec.w4 = w4LayoutOf(layer.weight);
    spec.w4Scale = *elemOf(layer.weight.getScale());
    break;
  default:
    spec.a = *elemOf(elementTypeOf(layer.x.getType()));
    spec.b = storageElem(layer.weight.getStorage());
  }
  return spec;
}

MatmulOperands LinearEmitter::operands() {
  MatmulOperands o;
  o.m = frame.dim(layer.m);
  o.n = n = frame.dim(layer.n);
  o.k = frame.dim(layer.k);
  Value x = frame.pointer(cast<BlockArgument>(layer.x));
  Value weight = frame.pointer(cast<BlockArgument>(layer.op->getOperand(1)));
  o.a = x;
  o.aStride = o.k;
  o.b = weight;
  if (auto rows = dyn_cast<QType>(layer.x.getType())) {
    QuantizedLayout from = layoutOf(rows), to = layoutOf(layer.weight);
    o.aStride = frame.dim(from.rowBytes);
    o.aScale = k.bytePtr(x, frame.dim(from.scales));
    o.aSum = k.bytePtr(x, frame.dim(from.extra));
    o.aSumStride = frame.dim(from.blocks);
    if (layer.weight.getLayout() == Layout::panel16_k4) {
      o.bScale = k.bytePtr(weight, frame.dim(to.scales));
      o.bCorrection = k.bytePtr(weight, frame.dim(to.extra));
      if (rows.getZero())
        o.aZero = k.bytePtr(x, frame.dim(from.extra));
    }
  }
  return o;
}

/// 16 values of an epilogue operand: by column, by row, by both, or one for all.
Value LinearEmitter::input(Value value, const MatmulResult &at) {
  if (auto constant = value.getDefiningOp<ConstantOp>())
    return k.broadcast(emitConstant(k, constant));
  auto argument = cast<BlockArgument>(value);
  Elem elem = *elemOf(elementTypeOf(value.getType()));
  SmallVector<DimExpr> dims = dimsOf(value.getType());
  SmallVector<DimExpr> out = dimsOf(layer.op->getResult(0).getType());
  bool byRow = dims.size() == out.size() &&
               ArrayRef(dims).drop_back() == ArrayRef(out).drop_back() &&
               !llvm::all_of(ArrayRef(dims).drop_back(), [](DimExpr d) { return d.isConstant(1); });
  bool byColumn = !dims.empty() && dims.back() == out.back() && !dims.back().isConstant(1);
  Value pointer = frame.pointer(argument);
  if (byRow && byColumn)
    return k.vload(elem, pointer, k.add(k.mul(at.row, n), at.col), at.lanes);
  if (byColumn)
    return k.vload(elem, pointer, at.col, at.lanes);
  return k.broadcast(k.load(elem, pointer, byRow ? at.row : k.ci64(0)));
}

void LinearEmitter::epilogue(const MatmulResult &at) {
  llvm::DenseMap<Value, Value> values;
  Value acc = at.acc;
  if (layer.bias)
    acc = k.add(acc, input(layer.bias, at));
  values[layer.op->getResult(0)] = acc;
  for (Operation *op = layer.op->getNextNode(); op && !isa<YieldOp>(op); op = op->getNextNode()) {
    if (isa<ConstantOp>(op))
      continue;
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      Value known = values.lookup(operand);
      operands.push_back(known ? known : input(operand, at));
    }
    auto result = emitElementwise(k, op, operands, at.lanes ? k.laneMask(at.lanes) : Value());
    if (failed(result)) {
      (void)refuse(op, "there is no code for " + typeText(op->getResult(0)));
      failedOp = true;
      result = operands[0];
    }
    values[op->getResult(0)] = *result;
  }
  for (auto [i, output] : llvm::enumerate(frame.yield()->getOperands()))
    k.vstore(*elemOf(elementTypeOf(output.getType())), values.lookup(output),
             frame.resultPointer(i), k.add(k.mul(at.row, n), at.col), at.lanes);
}

LogicalResult LinearEmitter::emit() {
  MatmulOperands values = operands();
  emitMatmul(k, spec(), values, [&](const MatmulResult &at) { epilogue(at); });
  return success(!failedOp);
}

} // namespace

FailureOr<LaunchShape> lower::linearShape(KernelOp kernel) {
  auto layer = Layer::of(kernel);
  if (failed(layer))
    return failure();
  MLIRContext *context = kernel.getContext();
  auto c = [&](int64_t value) { return DimExpr::constant(context, value); };
  LaunchShape shape;
  shape.tasks = layer->m.ceilDiv(c(kMatmulRowBlock)) * layer->n.ceilDiv(c(kMatmulColBlock));
  // About a hundred thousand multiplications pay for waking a worker.
  DimExpr work = layer->m.min(c(kMatmulRowBlock)) * layer->k * kMatmulColBlock;
  shape.grain = c(1 << 17).ceilDiv(work + 1);
  shape.scratchBytes = c(0);
  return shape;
}

LogicalResult lower::emitLinear(KernelFrame &frame) {
  auto layer = Layer::of(frame.kernel);
  if (failed(layer))
    return failure();
  return LinearEmitter(frame, *layer).emit();
}
