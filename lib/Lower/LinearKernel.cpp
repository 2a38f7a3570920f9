// Linear layers: the constant-matrix product with its fused epilogue.
#include "FamilySupport.h"
#include "SparseDot.h"
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

  /// Whether numbers may be multiplied as bf16, two at a time where a level can.
  bool hasPairs() const {
    auto products = op->getAttrOfType<StorageAttr>("products");
    return products && products.getValue() != Storage::f32;
  }

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

/// Integers behind the codes of a codebook: evenly spaced where they are, else up to 16 listed.
LogicalResult setIntegers(BlockProduct &product, ArrayRef<float> table) {
  auto first = static_cast<int32_t>(table[0]);
  auto stride = static_cast<int32_t>(table[1]) - first;
  bool even = stride <= (product.layout.bits < 8 ? 2 : 1);
  for (size_t i = 1; i < table.size(); ++i)
    even &= table[i] - table[i - 1] == static_cast<float>(stride);
  product.bias = -first;
  product.step = stride;
  if (even)
    return success();
  product.value = CodeValue::Integers;
  for (size_t i = 0; i < table.size() && i < 16; ++i)
    product.integers[i] = static_cast<uint8_t>(static_cast<int32_t>(table[i]) - first);
  return success(table.size() <= 16);
}

/// What the codes of `weight` stand for in a product with `x`, or failure where no kernel knows.
FailureOr<BlockProduct> blockProductOf(Type x, QType weight) {
  BlockProduct product;
  product.layout = blockLayoutOf(weight);
  product.scale = scaleFormOf(weight.getScale());
  bool packedZeros = product.layout.zeros == BlockZeros::Packed;
  if (!isUnsignedStorage(weight.getStorage()) && !packedZeros)
    product.bias = 1 << (weight.getBits() - 1);
  switch (weight.getStorage()) {
  case Storage::f4e2m1:
    product.value = CodeValue::Float4E2M1;
    break;
  case Storage::f8e4m3fn:
    product.value = CodeValue::Float8E4M3;
    break;
  case Storage::f8e5m2:
    product.value = CodeValue::Float8E5M2;
    break;
  case Storage::f8e4m3fnuz:
  case Storage::f8e5m2fnuz:
    return failure();
  default:
    break;
  }
  Product meaning = productOf(x, weight);
  auto codes = dyn_cast<QType>(x);
  if (sumsFloats(meaning)) {
    bool asCodes = codes && codes.getLayout() == Layout::token_f8;
    product.core = asCodes ? BlockCore::Float8 : BlockCore::Float;
    product.scalesRows = codes != nullptr;
    if (weight.getCodebook())
      product.value = CodeValue::Table;
    return codes && meaning == Product::FloatSums ? FailureOr<BlockProduct>(failure()) : product;
  }
  product.core = meaning == Product::WideSums ? BlockCore::Int16 : BlockCore::Int8;
  constexpr int64_t all = std::numeric_limits<int64_t>::max();
  int64_t step = productStep(x, weight, all);
  product.inputs = step == all ? 0 : step;
  product.aGroup = codes.getGroup();
  product.aSums = codes.getBlock() != 0;
  if (weight.getCodebook() && failed(setIntegers(product, weight.getCodebook().table())))
    return failure();
  bool wholeUnits = !product.inputs || product.inputs == product.layout.group ||
                    product.inputs % product.layout.unit() == 0;
  if (!wholeUnits || codes.getZero())
    return failure();
  return product;
}

/// The product of `layer`, or failure where no kernel does it.
FailureOr<MatmulSpec> specOf(const Layer &layer) {
  MatmulSpec spec;
  auto codes = dyn_cast<QType>(layer.x.getType());
  Layout layout = layer.weight.getLayout();
  bool unsignedCodes = codes && codes.getLayout() == Layout::token_u8;
  if (!codes)
    spec.a = *elemOf(elementTypeOf(layer.x.getType()));
  else if (codes.getLayout() == Layout::token_f8)
    spec.a = Elem::F8E4M3FN;
  if (layout == Layout::panel16_k4 && unsignedCodes) {
    spec.kind = MatmulKind::W8A8;
    return spec;
  }
  if (holdsReals(layer.weight) && !codes) {
    spec.b = storageElem(layer.weight.getStorage());
    spec.pairs = layer.hasPairs();
    return spec;
  }
  if (layout != Layout::panel16_block || unsignedCodes)
    return failure();
  FailureOr<BlockProduct> block = blockProductOf(layer.x.getType(), layer.weight);
  if (failed(block))
    return failure();
  spec.kind = MatmulKind::Block;
  spec.block = *block;
  spec.pairs = layer.hasPairs();
  return spec;
}

class LinearEmitter {
public:
  LinearEmitter(KernelFrame &frame, Layer &layer) : frame(frame), k(frame.k), layer(layer) {}
  LogicalResult emit();

private:
  MatmulOperands operands();
  Value input(Value value, const MatmulResult &at);
  void epilogue(const MatmulResult &at);

  KernelFrame &frame;
  KernelBuilder &k;
  Layer &layer;
  Value n;
  llvm::DenseMap<Operation *, SparseDot> sides;
  bool failedOp = false;
};

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
    // In elements of the rows.
    DimExpr four = DimExpr::constant(rows.getContext(), 4);
    bool asReals = rows.getLayout() == Layout::token_f32;
    o.aStride = frame.dim(asReals ? from.rowBytes.floorDiv(four) : from.rowBytes);
    o.aScale = k.bytePtr(x, frame.dim(from.scales));
    o.aSum = k.bytePtr(x, frame.dim(from.extra));
    o.aSumStride = frame.dim(from.blocks);
    o.aScaleStride = frame.dim(from.groups);
    o.aLow = frame.dim(from.planeBytes);
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
    if (auto sparse = dyn_cast<SparseLinearOp>(op)) {
      values[sparse.getOut()] = sides.find(op)->second.at(at.row, at.col, at.lanes);
      continue;
    }
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
  FailureOr<MatmulSpec> spec = specOf(layer);
  if (failed(spec))
    return refuse(layer.op, "there is no kernel for " + valueText(layer.x) + " with weights of " +
                                valueText(layer.op->getOperand(1)) +
                                "; use float or symmetric 8-bit activations, or another scheme for "
                                "this layer");
  MatmulOperands values = operands();
  for (auto sparse : frame.body().getOps<SparseLinearOp>())
    sides.try_emplace(sparse, frame, sparse);
  emitMatmul(k, *spec, values, [&](const MatmulResult &at) { epilogue(at); });
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
  if (layer->hasPairs() && holdsReals(layer->weight)) // a block of rows
    shape.scratchBytes = layer->k.ceilDiv(c(kMatmulPairRow)) * kMatmulPairBlock;
  else if (FailureOr<MatmulSpec> spec = specOf(*layer); succeeded(spec))
    shape.scratchBytes = c(matmulScratchBytes(*spec, 0));
  return shape;
}

LogicalResult lower::emitLinear(KernelFrame &frame) {
  auto layer = Layer::of(frame.kernel);
  if (failed(layer))
    return failure();
  return LinearEmitter(frame, *layer).emit();
}
